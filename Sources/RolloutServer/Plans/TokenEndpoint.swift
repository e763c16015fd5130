import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore

/// Access tokens; for admins only.
struct TokenEndpoint: Sendable {
  let directory: TokenDirectory
  let clock: any WallClock

  var routes: [Route] {
    [
      Route(.get, "/v1/tokens", .scopes([.admin]), .task(list)),
      Route(.post, "/v1/tokens", .scopes([.admin]), .task(create)),
      Route(.delete, "/v1/tokens/{id}", .scopes([.admin]), .task(revoke)),
    ]
  }

  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    return try .json(TokenList(tokens: directory.all.map { view($0, text: nil) }))
  }

  private func view(_ token: TokenRecord, text: String?) -> TokenView {
    TokenView(
      id: token.id, name: token.name, scopes: token.scopes.map(\.rawValue).sorted(),
      features: token.features?.sorted(), token: text, createdAt: token.createdAt.rfc3339,
      expiresAt: token.expiresAt?.rfc3339, revokedAt: token.revokedAt?.rfc3339)
  }

  private func create(_ request: APIRequest) async throws -> HTTPResponse {
    var name = ""
    var scopes: Set<Scope> = []
    var features: Set<String>?
    var expiresAt: Instant?
    do throws(DocumentError) {
      var reader = try ObjectReader(try JSONReader.read(request.body))
      name = try reader.requiredText("name")
      guard isName(name) else {
        throw reader.error("name", "A token name is 1–128 of a–z A–Z 0–9 . _ -")
      }
      for text in try reader.texts("scopes") ?? [] {
        guard let scope = Scope(rawValue: text) else {
          let names = Scope.allCases.map(\.rawValue).joined(separator: ", ")
          throw reader.error("scopes", "Expected any of \(names), found \(quoted(text)).")
        }
        scopes.insert(scope)
      }
      guard !scopes.isEmpty else { throw reader.error("scopes", "Name at least one scope.") }
      features = try reader.texts("features").map { Set($0) }
      if let text = try reader.text("expires_in") {
        guard let span = TimeSpan(text), span > .zero else {
          throw reader.error("expires_in", "Expected a duration such as 90d.")
        }
        expiresAt = clock.now + span
      }
      try reader.finish()
    } catch { throw Problem(.badRequest, "\(error)") }
    let made = try await directory.create(
      name: name, scopes: scopes, features: features, expiresAt: expiresAt)
    return try .json(view(made.record, text: made.text), status: 201)
  }

  private func revoke(_ request: APIRequest) async throws -> HTTPResponse {
    try await directory.revoke(id: request.parameters[0])
    return .noContent
  }
}

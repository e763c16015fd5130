import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutStore

/// Access tokens; for admins only.
struct TokenEndpoint: Sendable {
  /// A token that was used within it is in use: who uses it is refused at once when it goes.
  private static let inUseFor = TimeSpan.hours(24)

  let directory: TokenDirectory
  let clock: any WallClock
  let log: Log

  var routes: [Route] {
    [
      Route(.get, "/v1/tokens", .scopes([.admin]), .task(list)),
      Route(.post, "/v1/tokens", .scopes([.admin]), query: .none, .task(create)),
      Route(.delete, "/v1/tokens/{id}", .scopes([.admin]), .task(revoke)),
    ]
  }

  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    return try .json(TokenList(tokens: directory.all.map { TokenView($0) }))
  }

  private func create(_ request: APIRequest) async throws -> HTTPResponse {
    let wish: TokenWish
    do throws(DocumentError) { wish = try TokenWish(try JSONReader.read(request.body)) } catch {
      throw Problem(.badRequest, "\(error)")
    }
    let token = AccessToken.generate()
    let record = try await directory.add(
      token, name: wish.name, scopes: wish.scopes, features: wish.features,
      expiresAt: wish.lifetime.map { clock.now + $0 }, by: request.principal.actor,
      reason: wish.reason)
    note("a token was made", record, wish.reason, request)
    return try .json(TokenView(record, text: token.text), status: 201)
  }

  private func revoke(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("confirm", "reason")
    let id = request.parameters[0]
    let reason = try request.queryValue("reason") ?? ""
    try ChangeReason.check(reason)
    let confirmed = try request.queryValue("confirm")
    let record = directory.all.first { $0.id == id }
    if let record, confirmed != record.name, isInUse(record), !isLastAdmin(record) {
      throw Problem(
        .inUse,
        "The token \(record.name) was used within the last 24 h; whoever has it is refused at "
          + "once. Confirm with its name: --confirm \(record.name) (?confirm=\(record.name)).")
    }
    let revoked = try await directory.revoke(
      id: id, by: request.principal.actor, reason: reason)
    switch revoked.result {
    case .done:
      if let record { note("a token was revoked", record, reason, request) }
      return revoked.isDurable
        ? .noContent : .json(.object(["durable": .bool(false)]), status: 202)
    case .refusedAsLastAdmin:
      throw Problem(
        .lastAdmin,
        "This is the last admin token that is valid for longer than a day: without it nobody could "
          + "make another. Make a new one first: rollout token create --name NAME --scope admin.")
    }
  }
}

extension TokenEndpoint {
  private func isInUse(_ record: TokenRecord) -> Bool {
    guard let last = record.lastUsedAt, record.isValid(at: clock.now) else { return false }
    return clock.now.since(last) < Self.inUseFor
  }

  /// That is refused however it is confirmed, and said instead.
  private func isLastAdmin(_ record: TokenRecord) -> Bool {
    record.isAdmin(at: clock.now)
      && !directory.all.contains { $0.id != record.id && $0.canFollow(record, at: clock.now) }
  }

  private func note(
    _ what: String, _ record: TokenRecord, _ reason: String, _ request: APIRequest
  ) {
    log.notice(
      what,
      [
        "token": record.name, "id": record.id, "actor": request.principal.actor.text,
        "reason": reason,
      ])
  }
}

/// Why somebody changes what has no history of its own.
enum ChangeReason {
  /// What `?reason=` says; empty for nothing.
  static func of(_ request: APIRequest) throws(Problem) -> String {
    let reason = try request.queryValue("reason") ?? ""
    try check(reason)
    return reason
  }

  /// Throws where nobody would read it to its end.
  static func check(_ reason: String) throws(Problem) {
    guard reason.utf8.count <= 2000 else {
      throw Problem(.badRequest, "A reason is at most 2000 bytes.")
    }
  }
}

/// The token somebody asks for, strictly read.
private struct TokenWish {
  private static let lifetimeDefault = TimeSpan.days(365)
  private static let lifetimeMax = TimeSpan.days(3650)
  private static let featuresMax = 1000

  let name: String
  private(set) var scopes: Set<Scope> = []
  private(set) var features: Set<String>?
  /// nil for a token that never expires.
  private(set) var lifetime: TimeSpan?
  let reason: String

  init(_ document: Document) throws(DocumentError) {
    var reader = try ObjectReader(document)
    name = try reader.requiredText("name")
    guard isName(name) else {
      throw reader.error("name", "A token name is 1–128 of a–z A–Z 0–9 . _ -")
    }
    reason = try reader.string("reason") ?? ""
    guard reason.utf8.count <= 2000 else {
      throw reader.error("reason", "A reason is at most 2000 bytes.")
    }
    try readScopes(&reader)
    try readFeatures(&reader)
    try readLifetime(&reader)
    try reader.finish()
  }

  /// A list, or one text; `view,alert` is two.
  private mutating func readScopes(_ reader: inout ObjectReader) throws(DocumentError) {
    for texts in try reader.textOrTexts("scopes") ?? [] {
      for part in texts.split(separator: ",", omittingEmptySubsequences: false) {
        let text = part.split(separator: " ").joined(separator: " ")
        guard let scope = Scope(rawValue: text) else {
          let names = Scope.allCases.map(\.rawValue).joined(separator: ", ")
          throw reader.error("scopes", "Expected any of \(names), found \(quoted(text)).")
        }
        scopes.insert(scope)
      }
    }
    guard !scopes.isEmpty else { throw reader.error("scopes", "Name at least one scope.") }
  }

  private mutating func readFeatures(_ reader: inout ObjectReader) throws(DocumentError) {
    guard let names = try reader.texts("features") else { return }
    guard !names.isEmpty, names.count <= Self.featuresMax else {
      throw reader.error(
        "features", "Name 1–\(Self.featuresMax) features, or leave it out for all.")
    }
    if let stranger = names.first(where: { !isName($0) }) {
      throw reader.error("features", "\(quoted(stranger)) cannot be the name of a feature.")
    }
    guard !scopes.contains(.admin) else {
      throw reader.error(
        "features", "An admin token cannot be limited to features: it could make one without.")
    }
    features = Set(names)
  }

  private mutating func readLifetime(_ reader: inout ObjectReader) throws(DocumentError) {
    lifetime = Self.lifetimeDefault
    guard let text = try reader.text("expires_in") else { return }
    guard text != "never" else {
      lifetime = nil
      return
    }
    guard let span = TimeSpan(text), span > .zero, span <= Self.lifetimeMax else {
      throw reader.error(
        "expires_in",
        TimeSpan.refusal(
          of: text, "Expected a duration up to \(Self.lifetimeMax.text), such as 90d, or never."))
    }
    lifetime = span
  }
}

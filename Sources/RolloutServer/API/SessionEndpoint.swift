import DocumentKit
import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore

/// `/v1/session`: signing in with a token for a cookie, who is signed in, and signing out.
struct SessionEndpoint: Sendable {
  private static let bodySizeMax = 4096

  let sessions: SessionDirectory
  /// Whom requests are checked against; nil with `auth: off`.
  let tokens: TokenDirectory?
  let failures: FailedAuthentications
  let clock: any MonotonicClock
  let log: Log
  let startedAt: Instant
  let trail: AuditTrail

  var routes: [Route] {
    [
      Route(
        .get, "/v1/session", .scopes(Scope.allCases), featureLimit: .respected, .task(show)),
      Route(
        .post, "/v1/session", .open, query: .none, bodySizeMax: Self.bodySizeMax,
        .inline { begin($0, $1) }),
      Route(.delete, "/v1/session", .open, query: .none, .inline { end($0, $1) }),
    ]
  }

  private func show(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    return try .json(view(request.principal))
  }

  private func view(
    _ principal: Principal, until: Instant? = nil, isDurable: Bool = true
  ) -> SessionView {
    var name = "anonymous"
    if case .token(let own) = principal.actor { name = own }
    return SessionView(
      name: name, scopes: principal.scopeNames, features: principal.features?.sorted(),
      expiresAt: (until ?? principal.expiresAt)?.rfc3339, auth: tokens == nil ? "off" : "on",
      serverStartedAt: startedAt.rfc3339, durable: isDurable ? nil : false)
  }

  /// On the loop, where the client's address is known: whoever guesses tokens here is counted with
  /// those who guess them elsewhere.
  private func begin(_ request: InlineRequest, _ reply: Reply) {
    let view = request.view
    func refuse(_ code: ProblemCode, _ detail: String, _ headers: [(String, String)] = []) {
      reply.send(Dialect.native.error(Problem(code, detail), headers: headers))
    }
    // Nobody is signed in by a page from elsewhere, as somebody whom that page chose.
    guard view.isOfSameOrigin ?? true else {
      return refuse(.forbidden, "Sign in from the dashboard itself, not from another page.")
    }
    guard let tokens else {
      let response = try? HTTPResponse.json(self.view(.anonymous))
      return reply.send(response ?? .noContent)
    }
    let text: String
    do throws(DocumentError) {
      var reader = try ObjectReader(try JSONReader.read(view.body.array))
      guard let token = try reader.string("token") else {
        throw reader.error("token", "Send the token as text.")
      }
      text = token
      try reader.finish()
    } catch { return refuse(.badRequest, "\(error)") }
    guard let principal = tokens.verify(Array(text.utf8)), let id = principal.tokenID else {
      trail.remember(.refusedSignIn(from: view.client.text, at: trail.now))
      if let seconds = failures.note(view.client, now: clock.monotonic) {
        return refuse(
          .rateLimited, "Too many wrong tokens came from this address. Wait \(seconds) s.",
          [("Retry-After", "\(seconds)")])
      }
      return refuse(.unauthorized, "That is no valid token; it may have expired or been revoked.")
    }
    principal.use?.note()
    begin(
      principal, id, isSecure: !view.isToThisMachine, from: view.client.text, reply.suspend())
  }

  private func begin(
    _ principal: Principal, _ id: String, isSecure: Bool, from address: String,
    _ exchange: Exchange
  ) {
    Task {
      let begun = await sessions.begin(tokenID: id, from: address)
      if !begun.isDurable {
        log.error("signing in could not be written; it ends with the server")
      }
      let until = min(begun.expiresAt, principal.expiresAt ?? begun.expiresAt)
      let response = try? HTTPResponse.json(
        view(principal, until: until, isDurable: begun.isDurable),
        headers: [
          ("Set-Cookie", SessionCookie.setting(begun.secret, isSecure: isSecure)),
          ("Cache-Control", "no-store"),
        ])
      exchange.respond(response ?? .noContent)
    }
  }

  /// The cookie is taken back whatever becomes of the rest.
  private func end(_ request: InlineRequest, _ reply: Reply) {
    let headers = [
      (name: "Set-Cookie", value: SessionCookie.clearing(isSecure: !request.view.isToThisMachine)),
      (name: "Cache-Control", value: "no-store"),
    ]
    guard let secret = SessionCookie.secret(in: request.view) else {
      return reply.send(HTTPResponse(status: 204, headers: headers))
    }
    let exchange = reply.suspend()
    Task {
      let isDurable = await sessions.end(secret)
      exchange.respond(
        isDurable
          ? HTTPResponse(status: 204, headers: headers)
          : .json(.object(["durable": .bool(false)]), status: 202, headers: headers))
    }
  }
}

extension AuditRecord {
  /// Of somebody who sent a wrong token to sign in with. Those of one address are one an hour.
  fileprivate static func refusedSignIn(from address: String, at now: Instant) -> AuditRecord {
    AuditRecord(
      .signInFailed, by: .anonymous, target: "dashboard",
      details: .object(["from": .string(address)]), at: now)
  }
}

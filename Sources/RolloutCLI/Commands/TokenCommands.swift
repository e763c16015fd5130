import DocumentKit
import Glibc
import RolloutAPI
import RolloutCore

/// `rollout token …`
enum TokenCommands {
  static let all = [
    Subcommand(
      "token create", [], "make an access token; it is shown once",
      options: [
        .init("--name", "NAME", "whom or what it is for; stands in the history", required: true),
        .init(
          "--scope", "evaluate|view|operate|alert|admin", "what it may do; several as a,b",
          repeatable: true, required: true),
        .init("--feature", "FEATURE", "limit it to this feature", repeatable: true),
        .init("--expires-in", "90d", "how long it is valid, or never (default: a year)"),
      ],
      examples: [
        "rollout token create --name shop --scope evaluate",
        "rollout token create --name ci --scope view,operate --expires-in 30d",
      ], run: create),
    Subcommand(
      "token list", [], "all tokens, without their secrets",
      examples: ["rollout token list"], run: list),
    Subcommand(
      "token revoke", ["TOKEN"], "make a token useless, at once; by its id (rollout token list)",
      examples: ["rollout token revoke 1f2e3d4c"], run: revoke),
  ]

  private static func create(_ session: Session) async throws {
    let name = session.arguments.value("--name") ?? ""
    let features = session.arguments.all("--feature")
    let request = TokenRequest(
      name: name, scopes: session.arguments.all("--scope"),
      expiresIn: session.arguments.value("--expires-in"),
      features: features.isEmpty ? nil : features)
    let answer = try await session.send(
      "POST", APIPath.tokens, body: try WireEncoder.json(request))
    let token = try session.decode(TokenView.self, answer)
    if !session.printsJSON {
      session.terminal.note("Token \(token.id) for \(token.name). Keep it: it is not shown again.")
    }
    try session.show(answer) { token.token ?? "" }
  }

  private static func list(_ session: Session) async throws {
    let answer = try await session.send("GET", APIPath.tokens)
    let list = try session.decode(TokenList.self, answer)
    let now = Instant(milliseconds: Int64(time(nil)) * 1000)
    try session.show(answer) {
      session.terminal.table(
        ["ID", "NAME", "SCOPES", "FEATURES", "LAST USED", "STATE"],
        list.tokens.map { token in
          [
            token.id, token.name, token.scopes.joined(separator: " "),
            token.features?.joined(separator: " ") ?? "all",
            token.lastUsedAt.value.map(minute) ?? "never", state(token, now),
          ]
        })
    }
  }

  /// Whether it is valid, and for how long.
  private static func state(_ token: TokenView, _ now: Instant) -> String {
    if token.revokedAt != nil { return "revoked" }
    guard let text = token.expiresAt.value, let end = Instant(rfc3339: text) else {
      return "never expires"
    }
    guard end > now else { return "expired \(text.prefix(10))" }
    return "expires in \(end.since(now).roughly)"
  }

  /// `2026-11-23 10:00Z`.
  private static func minute(_ text: String) -> String {
    "\(text.prefix(16).replacing("T", with: " "))Z"
  }

  private static func revoke(_ session: Session) async throws {
    _ = try await session.send("DELETE", APIPath.token(session.operand(0)))
    session.terminal.note("Token \(session.operand(0)) is revoked.")
  }
}

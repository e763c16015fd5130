import DocumentKit
import RolloutAPI

/// `rollout token …`
enum TokenCommands {
  static let all = [
    Command(
      "token create", [], "make an access token; it is shown once",
      options: [
        .init("--name", "NAME", "whom or what it is for; stands in the history"),
        .init(
          "--scope", "evaluate|operate|alert|admin", "what it may do", repeatable: true),
        .init("--feature", "FEATURE", "limit it to this feature", repeatable: true),
        .init("--expires-in", "90d", "how long it is valid (default: for ever)"),
      ], run: create),
    Command("token list", [], "all tokens, without their secrets", run: list),
    Command("token revoke", ["ID"], "make a token useless, at once", run: revoke),
  ]

  private static func create(_ session: Session) async throws {
    guard let name = session.arguments.value("--name") else {
      throw CLIFailure(.usage, "--name is missing: whom or what is the token for?")
    }
    let features = session.arguments.all("--feature")
    let request = TokenRequest(
      name: name, scopes: session.arguments.all("--scope"),
      expiresIn: session.arguments.value("--expires-in"),
      features: features.isEmpty ? nil : features)
    guard !request.scopes.isEmpty else {
      throw CLIFailure(.usage, "--scope is missing: evaluate, operate, alert or admin.")
    }
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
    try session.show(answer) {
      session.terminal.table(
        ["ID", "NAME", "SCOPES", "FEATURES", "EXPIRES", "STATE"],
        list.tokens.map { token in
          [
            token.id, token.name, token.scopes.joined(separator: " "),
            token.features?.joined(separator: " ") ?? "all", token.expiresAt.value ?? "never",
            token.revokedAt == nil ? "valid" : "revoked",
          ]
        })
    }
  }

  private static func revoke(_ session: Session) async throws {
    _ = try await session.send("DELETE", APIPath.token(session.operand(0)))
    session.terminal.note("Token \(session.operand(0)) is revoked.")
  }
}

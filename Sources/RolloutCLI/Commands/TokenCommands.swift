import DocumentKit
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
      ] + Subcommand.changing,
      examples: [
        "rollout token create --name shop --scope evaluate",
        "rollout token create --name ci --scope view,operate --expires-in 30d",
      ], run: create),
    Subcommand(
      "token list", [], "all tokens, without their secrets",
      examples: ["rollout token list"], run: list),
    Subcommand(
      "token revoke", ["TOKEN"], "make a token useless, at once; by its id or its name",
      options: Subcommand.changing + [
        .init("--confirm", "NAME", "although it is in use: say the token's name")
      ],
      examples: [
        "rollout token revoke 1f2e3d4c", "rollout token revoke shop",
        "rollout token revoke 1f2e3d4c --confirm shop --reason leaked",
      ], run: revoke),
  ]

  private static func create(_ session: Session) async throws {
    let name = session.arguments.value("--name") ?? ""
    let features = session.arguments.all("--feature")
    let request = TokenRequest(
      name: name, scopes: session.arguments.all("--scope"),
      expiresIn: session.arguments.value("--expires-in"),
      features: features.isEmpty ? nil : features, reason: session.arguments.value("--reason"))
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
      let columns = [
        Grid.Column("TOKEN"), .init("NAME", widthMin: 8), .init("MAY", widthMin: 8),
        .init("CREATED"), .init("LAST USED"), .init("EXPIRES", widthMin: 12),
      ]
      return Grid(columns: columns, rows: list.tokens.map(row)).lines(session.terminal)
        .joined(separator: "\n")
    }
  }

  private static func row(_ token: TokenView) -> [Grid.Cell] {
    let limit = token.features.map { ": \($0.joined(separator: " "))" } ?? ""
    let isDead = token.revokedAt != nil
    let end = end(of: token)
    return [
      Grid.Cell(token.id, .bold), .init(token.name, isDead ? .dim : nil),
      .init(token.scopes.joined(separator: ",") + limit), .init(LocalTime.brief(token.createdAt)),
      .init(token.lastUsedAt.value.map { LocalTime.brief($0) } ?? "never"),
      .init(end.text, end.style),
    ]
  }

  /// When it ends, or that it has.
  private static func end(of token: TokenView) -> (text: String, style: Terminal.Style?) {
    if let revoked = token.revokedAt { return ("revoked \(LocalTime.brief(revoked))", .dim) }
    guard let text = token.expiresAt.value, let end = Instant(rfc3339: text) else {
      return ("never", nil)
    }
    let left = end.since(LocalTime.now)
    guard left > .zero else { return ("\(LocalTime.brief(text)), is over", .dim) }
    return ("in \(left.roughly)", left < .days(14) ? .yellow : nil)
  }

  private static func revoke(_ session: Session) async throws {
    var id = session.operand(0)
    var answer = try await revoke(id, session.arguments.value("--confirm"), session)
    if answer.status == 404, let named = try await token(named: id, session) {
      id = named
      answer = try await revoke(id, session.arguments.value("--confirm"), session)
    }
    if answer.status == 409, session.arguments.value("--confirm") == nil,
      session.terminal.isInteractive, let problem = try? session.document(answer).cleaned,
      problem["code"]?.string == ProblemCode.inUse.rawValue
    {
      session.terminal.note(problem["detail"]?.string ?? "")
      let name = session.terminal.ask("Type its name to revoke it all the same:")
      guard !name.isEmpty else { throw CLIFailure(.failed, "Nothing was changed.") }
      answer = try await revoke(id, name, session)
    }
    guard (200..<300).contains(answer.status) else { throw session.failure(answer) }
    let isDurable = answer.status != 202
    if session.printsJSON {
      session.terminal.print(
        .object([
          "id": .string(id), "revoked": .bool(true), "durable": isDurable ? nil : .bool(false),
        ]))
    } else {
      session.terminal.note(
        isDurable
          ? "Token \(id) is revoked."
          : "Token \(id) is revoked, in memory only: \(Undurable.consequence).")
    }
  }

  /// The id of the one token in force that has this name.
  private static func token(named name: String, _ session: Session) async throws -> String? {
    let list = try session.decode(
      TokenList.self, try await session.send("GET", APIPath.tokens))
    let named = list.tokens.filter { $0.name == name && $0.revokedAt == nil }
    return named.count == 1 ? named[0].id : nil
  }

  private static func revoke(
    _ id: String, _ name: String?, _ session: Session
  ) async throws -> Session.Answer {
    let query = [("confirm", name), ("reason", session.arguments.value("--reason"))]
      .compactMap { key, value in value.map { (name: key, value: $0) } }
    return try await session.exchange("DELETE", APIPath.token(id) + APIPath.query(query))
  }
}

import RolloutAPI

/// `rollout login --url URL`
enum LoginCommand {
  static let command = Subcommand(
    "login", [],
    "keep a server and a token for it, typed or from standard input, under a profile's name",
    options: [
      .init("--production", nil, "show the profile in red wherever something is asked")
    ],
    examples: [
      "rollout login --url https://rollout.example.com",
      "rollout login --profile prod --url https://rollout.example.com < token",
    ], run: run)

  private static func run(_ session: Session) async throws {
    guard let url = session.arguments.value("--url") else {
      throw CLIFailure(.usage, "--url is missing: which server?\nusage: \(command.usage)")
    }
    let name = session.arguments.value("--profile") ?? Profile.usualName
    let typed =
      session.terminal.isInteractive
      ? session.terminal.askSecretly("Token for \(url):")
      : String(decoding: try readFile("-"), as: UTF8.self)
    let token = ServerAccess.trimmed(typed)
    guard !token.isEmpty else { throw CLIFailure(.failed, "There was no token. Nothing is kept.") }
    let profile = Profile(
      name: name, url: url, token: token,
      isProduction: session.arguments.has("--production") || Profile.isProduction(name))
    // A token that may do something else than list plans is a good one all the same.
    let answer = try await session.asking(url, token).exchange(
      "GET", APIPath.plans + APIPath.query([("limit", "1")]))
    guard answer.status != 401 else {
      throw CLIFailure(.notAllowed, "\(url) does not know this token. Nothing is kept.")
    }
    guard (200..<300).contains(answer.status) || answer.status == 403 else {
      throw session.failure(answer)
    }
    let file = try Profile.keep(profile, session.terminal)
    session.terminal.note("Kept in \(file). Use it: rollout plan list --profile \(name)")
  }
}

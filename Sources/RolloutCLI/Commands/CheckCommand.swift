import Glibc
import RolloutAPI

/// `rollout check FEATURE --user ID`
enum CheckCommand {
  static let command = Subcommand(
    "check", ["FEATURE", "user"], "whether a user has the feature, and why",
    options: [
      .init("--user", "ID", "the user, if not named behind the feature"),
      .init("--attr", "NAME=VALUE", "an attribute of the user", repeatable: true),
    ],
    examples: [
      "rollout check ai-summary anna",
      "rollout check ai-summary --user anna --attr email=anna@acme.com",
    ], run: run)

  private static func run(_ session: Session) async throws {
    var query: [(name: String, value: String)] = [("explain", "true")]
    let operand = session.arguments.operands.dropFirst().first
    if operand != nil, session.arguments.value("--user") != nil {
      throw CLIFailure(.usage, "The user stands twice; give it once.")
    }
    if let user = operand ?? session.arguments.value("--user") { query.append(("user", user)) }
    for attribute in session.arguments.all("--attr") {
      let parts = attribute.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw CLIFailure(.usage, "--attr is NAME=VALUE, not \(attribute).")
      }
      query.append(("attr.\(parts[0])", parts[1]))
    }
    let answer = try await session.send(
      "GET", APIPath.decision(session.operand(0)) + APIPath.query(query))
    let decision = try session.decode(DecisionView.self, answer)
    try session.show(answer) {
      let verdict = decision.enabled ? "on" : "off"
      let text =
        "\(clean(decision.user ?? "a user without id")): \(decision.feature) is \(verdict), "
        + "because \(clean(decision.because ?? decision.reason)) "
        + "(cohort \(decision.cohort), version \(decision.planVersion))"
      // Styled after it is broken: what styles a word takes no room.
      let styled = session.terminal.style(verdict, decision.enabled ? .green : .yellow)
      return session.terminal.told(text, on: STDOUT_FILENO)
        .replacing(" is \(verdict), ", with: " is \(styled), ", maxReplacements: 1)
    }
  }
}

import DocumentKit
import RolloutAPI
import RolloutCore

/// `rollout plan …`
enum PlanCommands {
  static let all = [
    InitCommand.command, LintCommand.command, SchemaCommand.command,
    Subcommand(
      "plan diff", ["file|folder…"],
      "what applying files would change, and who joins and who leaves",
      options: [
        .init("--file", "FILE|FOLDER", "the plan file (-f)", repeatable: true),
        .init("--exit-code", nil, "exit 6 where there are differences"),
      ],
      examples: ["rollout plan diff ai-summary.yaml", "rollout plan diff plans/ --exit-code"]
    ) { try await ApplyCommand.diff($0) },
    Subcommand(
      "plan apply", ["file|folder…"], "store plans from files or a folder, all of them or none",
      options: [
        .init(
          "--file", "FILE|FOLDER", "the plan file (-f), YAML or JSON; a folder takes all in it",
          repeatable: true),
        .init("--dry-run", nil, "only say what would change, as rollout plan diff does"),
        .init("--prune", nil, "archive the plans that have no file"),
        .init(
          "--confirm", "FEATURE", "archive it although it is still asked for", repeatable: true),
      ] + Subcommand.changing,
      examples: [
        "rollout plan apply -f ai-summary.yaml --reason 'slower at first'",
        "rollout plan apply -f plans/ --prune --yes",
      ]
    ) { try await ApplyCommand.run($0) },
    Subcommand(
      "plan export", ["FEATURE"], "the whole plan file as it is in force, always to the same byte",
      examples: [
        "rollout plan export ai-summary > ai-summary.yaml",
        "rollout plan export ai-summary -o json",
      ], run: export),
    Subcommand(
      "plan preview", ["FEATURE"], "as rollout preview does without a list",
      options: PreviewCommand.shared,
      examples: ["rollout plan preview ai-summary --stage 25"]
    ) { try await PreviewSizes.run($0, .table) },
  ]

  private static func export(_ session: Session) async throws {
    let answer = try await session.send("GET", APIPath.plan(session.operand(0)))
    let plan = try session.decode(PlanView.self, answer, exactly: true)
    session.terminal.print(
      plan.definition, as: session.arguments.value("--output") == "json" ? .json : .yaml)
  }
}

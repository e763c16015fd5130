/// `rollout plan schema`
enum SchemaCommand {
  static let command = Subcommand(
    "plan schema", ["plan|rollout"],
    "the JSON Schema of plan files, or of the server's rollout.yaml; for editors",
    examples: [
      "rollout plan schema > plan.schema.json", "rollout plan schema rollout > rollout.schema.json",
    ]
  ) { session in
    switch session.arguments.operands.first {
    case nil, "plan": session.terminal.print(plan)
    case "rollout": session.terminal.print(server)
    case let other?: throw CLIFailure(.usage, "There are plan and rollout, not \(other).")
    }
  }

  static var plan: String { String(decoding: PackageResources.plan_schema_json, as: UTF8.self) }

  private static var server: String {
    String(decoding: PackageResources.rollout_schema_json, as: UTF8.self)
  }
}

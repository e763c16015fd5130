import DocumentKit
import RolloutAPI
import RolloutCore

/// `rollout plan …`
enum PlanCommands {
  static let all = [
    Command("plan list", [], "all plans, a line each", run: list),
    Command("plan show", ["FEATURE"], "where a plan stands, what it waits for, how it is doing") {
      try await ShowCommand.run($0)
    },
    Command(
      "plan apply", [], "store plans from a file or a folder",
      options: [
        .init(
          "--file", "FILE|FOLDER", "the plan file (-f), YAML or JSON; a folder takes all in it"),
        .init("--dry-run", nil, "only say what would change, and for how many users"),
      ]
    ) { try await ApplyCommand.run($0) },
    Command(
      "plan diff", [], "what applying a file would change",
      options: [.init("--file", "FILE|FOLDER", "the plan file (-f)")]
    ) { try await ApplyCommand.diff($0) },
    Command(
      "plan export", ["FEATURE"], "the plan file in its canonical form, as JSON", run: export),
    Command(
      "plan preview", ["FEATURE"], "who would have the feature at a stage",
      options: [.init("--stage", "NAME", "the stage (default: the next)")], run: preview),
    BacktestCommand.command,
  ]

  private static func list(_ session: Session) async throws {
    var plans: [PlanView] = []
    try await session.pages(PlanList.self, APIPath.plans) { page, answer in
      if session.printsJSON {
        session.terminal.printJSON(answer.body)
      }
      plans += page.plans
      return page.next.value
    }
    guard !session.printsJSON else { return }
    guard !plans.isEmpty else {
      session.terminal.note("There are no plans yet. Apply one: rollout plan apply -f FILE")
      return
    }
    let rows = plans.map { plan in
      [
        plan.feature, plan.status, plan.stage, "\(plan.version)",
        plan.hold.value.map { "held: \($0.cause)" } ?? nextText(plan),
      ]
    }
    session.terminal.print(
      session.terminal.table(["FEATURE", "STATUS", "STAGE", "VERSION", "NEXT"], rows))
  }

  static func nextText(_ plan: PlanView) -> String {
    guard let next = plan.next.value else { return "" }
    let words = "\(next.action)\(next.to.map { " to \($0)" } ?? "")"
    return next.ready ? words : "\(words), waits"
  }

  private static func export(_ session: Session) async throws {
    let answer = try await session.send("GET", APIPath.plan(session.operand(0)))
    let plan = try session.decode(PlanView.self, answer, exactly: true)
    session.terminal.printJSON(plan.definition.json)
  }

  private static func preview(_ session: Session) async throws {
    let stage = session.arguments.value("--stage").map { [("stage", $0)] } ?? []
    let answer = try await session.send(
      "GET", APIPath.preview(session.operand(0)) + APIPath.query(stage))
    let view = try session.decode(PreviewView.self, answer)
    try session.show(answer) {
      """
      At stage \(view.stage), \(view.servedPer100000) of 100,000 users have \(view.feature) by \
      percentage, and \(view.members) by name.
      Against today \(view.joinsPer100000) join and \(view.leavesPer100000) leave.
      """ + (view.projection.map { "\nProjected: \($0.sentence)." } ?? "")
        + (view.projection?.exceeded ?? []).map { "\n- \($0)" }.joined()
    }
  }
}

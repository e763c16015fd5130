import DocumentKit
import RolloutAPI
import RolloutCore

/// Several plan files in one call: all of them are applied, or none is.
enum FolderApply {
  static func run(_ definitions: [PlanDefinition], _ session: Session) async throws {
    var known: [String: PlanView] = [:]
    try await session.pages(PlanList.self, APIPath.plans) { page, _ in
      for plan in page.plans { known[plan.feature] = plan }
      return page.next.value
    }
    let own = Set(definitions.map(\.feature))
    let strangers =
      session.arguments.has("--prune")
      ? known.values.filter { !own.contains($0.feature) && $0.status != "archived" }
        .sorted { $0.feature < $1.feature } : []
    if !strangers.isEmpty, !session.arguments.has("--yes") {
      let names = strangers.map { clean($0.feature) }.joined(separator: ", ")
      try session.terminal.confirm("Archive what has no file: \(names)?")
    }
    let confirmed = Set(session.arguments.all("--confirm"))
    let body = Document.object([
      "plans": .array(
        definitions.map { definition in
          .object([
            "definition": definition.document,
            "version": known[definition.feature].map { .int($0.version) },
          ])
        }),
      "archive": .array(
        strangers.map { plan in
          .object([
            "feature": .string(plan.feature), "version": .int(plan.version),
            "confirm": confirmed.contains(plan.feature) ? .string(plan.feature) : nil,
          ])
        }),
      "reason": session.arguments.value("--reason").map { .string($0) },
    ])
    let answer = try await session.send("POST", APIPath.plans, body: body.json)
    let list = try session.decode(PlanList.self, answer)
    try session.show(answer) {
      list.plans.map { plan in
        guard own.contains(plan.feature) else { return "\(plan.feature): archived" }
        return ApplyCommand.sentence(
          plan, before: known[plan.feature].map { "\"\($0.version)\"" }, session.terminal)
      }.joined(separator: "\n")
    }
  }
}

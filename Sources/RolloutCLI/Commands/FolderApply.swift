import DocumentKit
import RolloutAPI
import RolloutCore

/// Several plan files in one call: all of them are applied, or none is.
enum FolderApply {
  static func run(_ definitions: [PlanDefinition], _ session: Session) async throws {
    let known = try await known(session)
    let own = Set(definitions.map(\.feature))
    let strangers =
      session.arguments.has("--prune")
      ? known.values.filter { !own.contains($0.feature) && $0.status != "archived" }
        .sorted { $0.feature < $1.feature } : []
    if !strangers.isEmpty, !session.arguments.has("--yes") {
      let names = strangers.map { clean($0.feature) }.joined(separator: ", ")
      try session.terminal.confirm("Archive what has no file: \(names)?")
    }
    let answer = try await send(definitions, strangers, known, session)
    let list = try session.decode(PlanList.self, answer)
    try session.show(answer) {
      list.plans.map { plan in
        guard own.contains(plan.feature) else { return "\(plan.feature): archived" }
        return ApplyCommand.sentence(
          plan, before: known[plan.feature].map { "\"\($0.version)\"" }, session.terminal)
      }.joined(separator: "\n")
    }
  }

  /// All plans that there are, by feature.
  static func known(_ session: Session) async throws -> [String: PlanView] {
    var known: [String: PlanView] = [:]
    try await session.pages(PlanList.self, APIPath.plans) { page, _ in
      for plan in page.plans { known[plan.feature] = plan }
      return page.next.value
    }
    return known
  }

  /// Makes or changes all of `definitions` and archives `strangers`, or does nothing; a plan that
  /// is not `known` must not be there.
  static func send(
    _ definitions: [PlanDefinition], _ strangers: [PlanView], _ known: [String: PlanView],
    _ session: Session
  ) async throws -> Session.Answer {
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
    return try await session.send("POST", APIPath.plans, body: body.json)
  }
}

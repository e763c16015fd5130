import DocumentKit
import RolloutAPI

/// `rollout plan list`
enum ListCommand {
  static let command = Subcommand(
    "plan list", [], "all plans, a line each, those that need somebody first",
    examples: ["rollout plan list", "rollout plan list -o json | jq '.plans[].feature'"], run: run)

  private static func run(_ session: Session) async throws {
    guard !session.printsJSON else { return try await session.showAll("plans", APIPath.plans) }
    var plans: [PlanView] = []
    try await session.pages(PlanList.self, APIPath.plans) { page, _ in
      plans += page.plans
      return page.next.value
    }
    guard !plans.isEmpty else {
      session.terminal.note("There are no plans yet. Apply one: rollout plan apply -f FILE")
      return
    }
    var stopped: [String: Pause] = [:]
    for plan in plans where plan.status == "paused" {
      guard let pause = await Pause.last(plan, session), !pause.isByPerson else { continue }
      stopped[plan.feature] = pause
    }
    let ordered = plans.map { plan in
      (urgency: Urgency(plan, isPausedByItself: stopped[plan.feature] != nil), plan: plan)
    }
    .sorted { ($0.urgency, $0.plan.feature) < ($1.urgency, $1.plan.feature) }
    let rows = ordered.map { _, plan in
      let pause = stopped[plan.feature]
      let state = pause.map { "paused by \($0.culprit)" } ?? Words.state(plan)
      return [
        plan.feature, state + doubt(plan), share(plan),
        pause != nil ? "rollout why \(plan.feature)" : next(plan),
      ]
    }
    session.terminal.print(
      session.terminal.table(["FEATURE", "STATE", "HAVE IT", "NEXT"], rows, fits: true))
    let needy = ordered.filter { $0.urgency <= .needsSomebody }.map(\.plan)
    guard let first = needy.first else { return }
    session.terminal.print(
      "\n\(needy.count) need\(needy.count == 1 ? "s" : "") you: "
        + "rollout plan show \(clean(first.feature))")
  }

  /// The order of the list.
  private enum Urgency: Int, Comparable {
    /// Its users meet with failures now.
    case failing
    /// Nothing goes on before somebody has looked.
    case needsSomebody
    case held
    /// Its users meet with what somebody should look at.
    case unwell
    case waitsForPeople, goesOn, paused, draft, completed, killed, archived

    init(_ plan: PlanView, isPausedByItself: Bool) {
      self.init(standing: plan, isPausedByItself: isPausedByItself)
      if Words.isFailing(plan) {
        self = .failing
      } else if Words.isUnwell(plan) || Words.isNotWell(plan), self > .unwell {
        self = .unwell
      }
    }

    private init(standing plan: PlanView, isPausedByItself: Bool) {
      switch plan.status {
      case "active":
        if let hold = plan.hold.value {
          self = Suggestion.isToBeAcknowledged(hold) ? .needsSomebody : .held
        } else {
          let gates = plan.next.value?.waitingOn ?? []
          if gates.contains(where: { $0.hasPrefix("automatic advance: off") }) {
            self = .needsSomebody
            return
          }
          self = gates.allSatisfy { $0.hasPrefix("approval: ") } ? .waitsForPeople : .goesOn
        }
      case "paused": self = isPausedByItself ? .needsSomebody : .paused
      case "draft": self = .draft
      case "completed": self = .completed
      case "killed": self = .killed
      default: self = .archived
      }
    }

    static func < (a: Urgency, b: Urgency) -> Bool { a.rawValue < b.rawValue }
  }

  /// Why the state may be another after a restart.
  private static func doubt(_ plan: PlanView) -> String {
    if plan.durable == false { return ", not on disk" }
    return plan.degraded == nil ? "" : ", cannot be read"
  }

  /// `25 %`, or by what else the stage has its users.
  private static func share(_ plan: PlanView) -> String {
    let serves = ["active", "paused", "completed"].contains(plan.status)
    guard serves || plan.answersUntil != nil, plan.stageIndex >= 0 else {
      return "nobody"
    }
    guard plan.stages.indices.contains(plan.stageIndex) else { return "" }
    let open = plan.stages[...plan.stageIndex]
    if let percent = open.compactMap(\.percent).max(), percent > 0 {
      return "\(shortestText(of: percent)) %"
    }
    return open.contains { $0.cohort != nil || $0.rules > 0 } ? "by name" : "nobody"
  }

  /// The first thing it waits for, or the step that is ready.
  private static func next(_ plan: PlanView) -> String {
    if let hold = plan.hold.value, Suggestion.isToBeAcknowledged(hold), plan.status == "active" {
      return "rollout ack \(plan.feature)"
    }
    if let until = plan.answersUntil { return "off from \(Words.time(until))" }
    guard let next = plan.next.value else { return "" }
    let words = "\(next.action)\(next.to.map { " to \($0)" } ?? "")"
    guard !next.ready, var gate = next.waitingOn.first else { return words }
    if gate.hasPrefix("healthy evidence: ") { gate.removeFirst("healthy evidence: ".count) }
    return plan.hold.value == nil ? "\(next.to ?? next.action): \(gate)" : gate
  }
}

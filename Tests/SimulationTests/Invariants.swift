import DigestKit
import DocumentKit
import RolloutCore
import RolloutEvaluation

/// The promises that every committed change must keep, whoever made it.
enum Invariants {
  private static let users = (0..<24).map { "u\($0)" } + ["anna"]

  static func check(
    _ change: Lifecycle.Change, after before: Plan?, others: [Plan],
    _ violations: inout [String]
  ) {
    let plan = change.plan
    let event = change.event
    func violated(_ text: String) { violations.append("version \(plan.version): \(text)") }
    // P2: each version follows the one before, and its event says the same.
    if event.version != plan.version { violated("P2: the event is of version \(event.version)") }
    guard let before else { return }
    if plan.version != before.version + 1 { violated("P2: follows \(before.version)") }
    // One stage at a time: serving is one place of the list, moved by one when it advances.
    if event.kind == .advanced, plan.stageIndex != before.stageIndex + 1 {
      violated("advanced from \(before.stageIndex) to \(plan.stageIndex)")
    }
    checkRestore(event, before, plan, violated)
    checkHold(event, before, plan, violated)
    checkAutomation(event, before, plan, violated)
    checkWitnesses(event, plan, others, violated)
    checkFile(event, before, plan, violated)
    checkAudience(event, before, plan, violated)
  }

  /// P9: automation only reduces exposure, except where the plan itself asked for automatic
  /// advance; it never undoes a person's decision.
  private static func checkAutomation(
    _ event: PlanEvent, _ before: Plan, _ after: Plan, _ violated: (String) -> Void
  ) {
    guard !event.actor.isPerson else { return }
    let allowed: Set<PlanEvent.Kind> =
      event.actor == .monitor
      ? [.rolledBack, .paused, .held, .released, .advanced] : [.rolledBack, .paused, .killed]
    if !allowed.contains(event.kind) { violated("P9: \(event.actor.text) did \(event.kind)") }
    let isWider = reach(after) > reach(before)
    let asked = event.kind == .advanced && before.definition.advance == .automatic
    if isWider, !asked { violated("P9: \(event.actor.text) widened (\(event.kind))") }
    if event.kind == .advanced {
      if before.hold != nil { violated("P9: advanced a held plan") }
      if before.automaticAdvanceOff { violated("P9: advanced although it was turned off") }
      if before.status != .active { violated("P9: advanced a \(before.status) plan") }
      if let stage = before.nextStage, before.approvals.count < stage.approvals {
        violated("P9: skipped an approval")
      }
      if let why = shut(before, event.at) { violated("P9: advanced \(why) at \(event.at.rfc3339)") }
    }
    if before.status == .killed { violated("P9: touched a killed plan") }
  }

  /// Why a plan's calendar keeps automation at a wall time; nil where it does not. Counted with the
  /// European Union's rule for summer time and the plan's own words, and with nothing of the product.
  private static func shut(_ plan: Plan, _ now: Instant) -> String? {
    guard let stage = plan.nextStage else { return nil }
    if let time = stage.advanceAt, time.instant > now { return "before its time" }
    guard let hours = (stage.hours ?? plan.definition.hours)?.first else { return nil }
    let words = hours.words.split(separator: " ").map(String.init)
    guard let times = words.first(where: { $0.contains(":") })?.split(separator: "–") else {
      return nil
    }
    let (from, to) = (minutes(times[0]), minutes(times[1]))
    // 2027 is the year of the simulation: summer from 28 March to 31 October, 01:00 UTC.
    let isSummer = now.milliseconds >= 1_806_195_600_000 && now.milliseconds < 1_824_944_400_000
    let local = now.milliseconds / 60_000 + (isSummer ? 120 : 60)
    let clock = Int(local % 1440)
    // A window over midnight is of the day on which it opened.
    let isAfterMidnight = to <= from && clock < to
    let weekday = (local / 1440 - (isAfterMidnight ? 1 : 0) + 3) % 7
    let isOpen = to > from ? clock >= from && clock < to : clock >= from || clock < to
    let isDay = words[0] != "Mon–Fri" || weekday < 5
    return isOpen && isDay ? nil : "outside its hours"
  }

  private static func minutes(_ clock: Substring) -> Int {
    let parts = clock.split(separator: ":").compactMap { Int($0) }
    return parts[0] * 60 + parts[1]
  }

  /// Nobody goes past a hold that a person must acknowledge; the others are passed by a person who
  /// says why, an outage after an hour.
  private static func checkHold(
    _ event: PlanEvent, _ before: Plan, _ after: Plan, _ violated: (String) -> Void
  ) {
    guard let hold = before.hold else { return }
    let now = after.updatedAt.steady
    let isCool = now >= hold.since.steady + before.definition.cooldown
    switch event.kind {
    case .released where hold.needsAcknowledgement:
      if hold.acknowledged == nil { violated("released what nobody has acknowledged") }
      if !isCool { violated("released during the cooldown") }
    case .acknowledged where after.hold != nil:
      if after.hold?.acknowledged == nil { violated("acknowledged, and not kept") }
      if after.stageIndex != before.stageIndex { violated("an acknowledgement moved it") }
    case .advanced, .restored, .completed:
      if hold.needsAcknowledgement { violated("went past what must be acknowledged") }
      if hold.cause != .manual, event.reason.isEmpty { violated("went past a hold, untold why") }
      if hold.cause == .outage, now < hold.since.steady + .hours(1) {
        violated("went past a fresh outage")
      }
    default: return
    }
  }

  /// A restore goes where the plan was, by a person, with the approvals of others.
  private static func checkRestore(
    _ event: PlanEvent, _ before: Plan, _ after: Plan, _ violated: (String) -> Void
  ) {
    guard event.kind == .restored else { return }
    if !event.actor.isPerson { violated("restored by \(event.actor.text)") }
    if event.reason.isEmpty { violated("restored, untold why") }
    if after.stageName != before.incident?.stage { violated("restored to \(after.stageName)") }
    if after.stageIndex <= before.stageIndex { violated("restored downwards") }
    let way = before.definition.stages[(before.stageIndex + 1)...after.stageIndex]
    let needed = way.map(\.approvals).max() ?? 0
    let others = Set((before.incident?.approvals ?? []) + before.approvals).filter {
      .token($0) != event.actor
    }
    if others.count < needed { violated("restored without an approval") }
  }

  /// What must hold of the whole history: an alert acts once, however often it comes and whatever
  /// crashes in between, and the hashes are one chain.
  static func broken(in events: [PlanEvent], chain: [[UInt8]]) -> [String] {
    var broken: [String] = []
    var acted: Set<String> = []
    for event in events {
      guard case .alert = event.actor else { continue }
      let key = event.evidence?["alert"]?["key"]?.string ?? "nothing"
      if !acted.insert("\(event.kind.rawValue) for \(key)").inserted {
        broken.append("version \(event.version): \(key) acted twice")
      }
    }
    var last: [UInt8] = []
    for event in events { last = Digest.sha256(HistoryChain.link(event, after: last)) }
    if last != chain.last ?? [] { broken.append("the history is no chain") }
    return broken
  }

  /// Only who serves vouches for an outage. Who was taken back while the hold was on its way to the
  /// disk served when it was decided.
  private static func checkWitnesses(
    _ event: PlanEvent, _ after: Plan, _ others: [Plan], _ violated: (String) -> Void
  ) {
    guard event.kind == .held, event.reason.contains("began to fail") else { return }
    for plan in others where event.reason.contains(plan.feature) && !plan.isServing {
      guard plan.updatedAt.steady < after.updatedAt.steady else { continue }
      violated("\(plan.feature) serves nobody and vouched for an outage")
    }
  }

  /// A file is no way around a hold or an approval: it moves no stage, and whoever gains by it was
  /// left to one person before.
  private static func checkFile(
    _ event: PlanEvent, _ before: Plan, _ after: Plan, _ violated: (String) -> Void
  ) {
    guard event.kind == .applied else { return }
    if after.stageName != before.stageName { violated("a file moved it to \(after.stageName)") }
    if after.status != before.status { violated("a file made it \(after.status)") }
    if after.hold != before.hold { violated("a file changed the hold") }
    let others = Set(before.fileApprovals.filter { .token($0.name) != event.actor }.map(\.name))
    let asked = before.definition.stages.map(\.approvals)
    let lowered = zip(asked, after.definition.stages.map(\.approvals)).filter { $0 > $1 }
    if let needed = lowered.map(\.0).max(), others.count < needed {
      violated("a file lowered approvals with those of \(others.count) others")
    }
    guard !gained(before, after).isEmpty else { return }
    if before.hold?.needsAcknowledgement == true { violated("a file widened a held plan") }
    let reached = after.stageIndex >= 0 ? asked[...after.stageIndex].max() ?? 0 : 0
    if others.count < reached { violated("a file widened what takes \(reached + 1) people") }
  }

  private static func gained(_ before: Plan, _ after: Plan) -> [String] {
    let old = CompiledPlan(before) { _ in ByteSet(["anna", "u3"]) }
    let new = CompiledPlan(after) { _ in ByteSet(["anna", "u3"]) }
    return users.filter { user in
      let bytes = Array(user.utf8)
      guard let was = try? old.evaluator.decide(user: bytes.span),
        let now = try? new.evaluator.decide(user: bytes.span)
      else { return false }
      return now.enabled && !was.enabled
    }
  }

  private static func reach(_ plan: Plan) -> Int { plan.isServing ? plan.stageIndex : -1 }

  /// P4: the same id stays in the same bucket; widening removes nobody, narrowing adds nobody.
  private static func checkAudience(
    _ event: PlanEvent, _ before: Plan, _ after: Plan, _ violated: (String) -> Void
  ) {
    guard [.advanced, .restored, .rolledBack].contains(event.kind) else { return }
    let old = CompiledPlan(before) { _ in ByteSet(["anna", "u3"]) }
    let new = CompiledPlan(after) { _ in ByteSet(["anna", "u3"]) }
    for user in users {
      let bytes = Array(user.utf8)
      guard let was = try? old.evaluator.decide(user: bytes.span),
        let now = try? new.evaluator.decide(user: bytes.span)
      else { continue }
      if was.bucket != now.bucket { violated("P4: \(user) moved to another bucket") }
      if event.kind != .rolledBack, was.enabled, !now.enabled {
        violated("P4: widening took it from \(user)")
      }
      if event.kind == .rolledBack, !was.enabled, now.enabled {
        violated("P4: a rollback gave it to \(user)")
      }
    }
  }
}

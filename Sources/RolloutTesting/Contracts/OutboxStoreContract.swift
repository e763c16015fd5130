package import RolloutCore

/// What every outbox must do, and the history that is written with it. `store` must be empty and
/// working, and tell `receiver` of everything but verdicts.
package enum OutboxStoreContract {
  package static func broken(
    by store: some OutboxStore & PlanStore, receiver: String
  ) async throws -> [String] {
    var promises = Promises()
    let now = Samples.start
    var plan = try await commit(nil, .start, store)
    plan = try await commit(plan, .start, store)
    _ = try await store.append(notice("first"))
    plan = try await commit(plan, .kill, store)
    let urgent = DeliveryLane(receiver: receiver, isUrgent: true)
    let rest = DeliveryLane(receiver: receiver, isUrgent: false)
    promises.keep(
      try await store.lanes(now: now) == [urgent, rest], "what is due shows, emergencies first")
    let kill = try await store.due(urgent, now: now, limit: 10)
    promises.keep(kill.map(\.message.kind) == ["killed"], "an emergency has its own lane")
    let others = try await store.due(rest, now: now, limit: 10)
    promises.keep(
      others.map(\.message.kind) == ["applied", "started", "dry_run"],
      "everything that happened is queued, the oldest first")
    guard others.count == 3, let kill = kill.first else { return promises.broken }
    try await store.delivered(kill.id, at: now)
    promises.keep(
      try await store.due(urgent, now: now + .days(1), limit: 10).isEmpty,
      "what was delivered is not due again")
    try await retries(others, rest, store, &promises)
    return promises.broken
  }

  private static func retries(
    _ others: [Delivery], _ lane: DeliveryLane, _ store: some OutboxStore,
    _ promises: inout Promises
  ) async throws {
    let now = Samples.start
    try await store.failed(others[0].id, error: "no", retryAt: now + .hours(1), at: now)
    try await store.failed(others[1].id, error: "no", retryAt: nil, at: now)
    let left = try await store.due(lane, now: now, limit: 10)
    promises.keep(
      left.map(\.id) == [others[2].id], "what failed waits, what was given up is not due")
    let later = try await store.due(lane, now: now + .hours(1), limit: 10)
    promises.keep(
      later.map(\.id) == [others[0].id, others[2].id] && later.first?.attempts == 1,
      "what failed is due again at its time, its attempts counted")
    try await store.hasten(lane.receiver, at: now)
    promises.keep(
      try await store.due(lane, now: now, limit: 10).count == 2,
      "a receiver that is back is told now"
    )
    let counts = try await store.backlog()
    promises.keep(counts == (2, 1), "the backlog counts what waits, and what was given up")
    promises.keep(
      try await store.trim(waitingMax: 1, at: now) == 1, "beyond so many that wait the oldest go")
    promises.keep(
      try await store.due(lane, now: now, limit: 10).map(\.id) == [others[2].id],
      "the newest are those that stay")
    _ = try await store.trim(waitingMax: 1, at: now + Retention.givenUp + .seconds(1))
    promises.keep(
      try await store.backlog() == (1, 0), "what was given up long ago is forgotten")
  }

  static func notice(_ sentence: String) -> Notice {
    Notice(
      feature: "a", planVersion: 2, at: Samples.start, kind: .dryRun, sentence: sentence,
      evidence: nil)
  }

  /// Commits a command on the plan, or makes it; the plan that came of it.
  static func commit(
    _ plan: Plan?, _ command: Command, _ store: some PlanStore
  ) async throws -> Plan? {
    guard let plan else {
      let created = Lifecycle.create(PlanDefinition(feature: "a"), Samples.context())
      _ = try await store.commit(created, answer: nil)
      return created.plan
    }
    guard let change = try Lifecycle.perform(command, on: plan, Samples.context()) else {
      return plan
    }
    _ = try await store.commit(change, answer: nil)
    return change.plan
  }
}

package import RolloutCore

/// What every plan store must do, whatever it is made of.
package enum PlanStoreContract {
  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some PlanStore) async throws -> [String] {
    var promises = Promises()
    let created = Lifecycle.create(PlanDefinition(feature: "a"), Samples.context())
    let first = try await store.commit(created, answer: nil)
    await promises.refuse(.stale, "a version is written once") {
      _ = try await store.commit(created, answer: nil)
    }
    guard let started = try Lifecycle.perform(.start, on: created.plan, Samples.context()) else {
      return ["a draft starts"]
    }
    let kept = StoredAnswer(
      scope: "s", key: "k", requestHash: [UInt8](repeating: 1, count: 32), answer: "{}",
      expiresAt: Samples.start + .days(1))
    let second = try await store.commit(started, answer: kept)
    promises.keep(second.id > first.id, "ids grow in the order of the commits")
    guard let paused = try Lifecycle.perform(.pause, on: started.plan, Samples.context()),
      let killed = try Lifecycle.perform(.kill, on: started.plan, Samples.context())
    else { return ["a running plan pauses and is killed"] }
    _ = try await store.commit(paused, answer: nil)
    await promises.refuse(.stale, "of two changes from one version one wins") {
      _ = try await store.commit(killed, answer: nil)
    }
    let loaded = try await store.loadPlans()
    promises.keep(
      loaded == LoadedPlans(readable: [paused.plan]), "plans are loaded at their newest version")
    let one = try await store.loadPlan("a")
    promises.keep(one == .readable(paused.plan), "one plan is loaded as all are")
    promises.keep(try await store.loadPlan("b") == nil, "a plan that is not there is none")
    let history = try await store.events(feature: "a", before: nil, limit: 10)
    promises.keep(
      history.map(\.event) == [paused.event, started.event, created.event],
      "every version has its event, newest first, and a refused one none")
    let page = try await store.events(feature: "a", before: second.id, limit: 1)
    promises.keep(page.map(\.event.version) == [1], "a page goes on before the event it is told")
    try await answers(kept, store, &promises)
    try await several(after: paused.plan, store, &promises)
    return promises.broken
  }

  private static func several(
    after plan: Plan, _ store: some PlanStore, _ promises: inout Promises
  ) async throws {
    let created = Lifecycle.create(PlanDefinition(feature: "b"), Samples.context())
    guard let resumed = try Lifecycle.perform(.resume, on: plan, Samples.context()) else {
      promises.keep(false, "a paused plan resumes")
      return
    }
    let stored = try await store.commit(all: [resumed, created])
    promises.keep(
      stored.map(\.event) == [resumed.event, created.event] && stored[0].id < stored[1].id,
      "several changes have their events, in their order")
    let other = Lifecycle.create(PlanDefinition(feature: "c"), Samples.context())
    await promises.refuse(.stale, "of several changes one that is late stops all") {
      _ = try await store.commit(all: [other, created])
    }
    promises.keep(try await store.loadPlan("c") == nil, "and none of them is written")
    promises.keep(
      try await store.events(feature: "c", before: nil, limit: 1).isEmpty, "nor its event")
  }

  private static func answers(
    _ kept: StoredAnswer, _ store: some PlanStore, _ promises: inout Promises
  ) async throws {
    func answer(_ scope: String, _ now: Instant) async throws -> StoredAnswer? {
      try await store.answer(scope: scope, key: "k", now: now)
    }
    promises.keep(try await answer("s", Samples.start) == kept, "an answer is kept as it was given")
    promises.keep(try await answer("t", Samples.start) == nil, "an answer is of its scope")
    let late = try await answer("s", Samples.start + .days(2))
    promises.keep(late == nil, "an answer that has expired is none")
  }
}

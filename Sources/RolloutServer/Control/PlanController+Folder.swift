import RolloutAPI
import RolloutCore

/// Several plans in one change.
extension PlanController {
  /// A file, and the version of the plan it replaces; nil where there is to be none yet.
  struct Wish: Sendable {
    var definition: PlanDefinition
    var version: Int?
  }

  /// A plan to put away, with what its archiving is asked under.
  struct Farewell: Sendable {
    var feature: String
    var version: Int
    var context: CommandContext
  }

  /// Why all of several plans were left as they are.
  struct OfPlan: Error {
    var feature: String
    var cause: any Error
  }

  /// Applies every file and archives the others named, in one write: all of it or nothing. A plan
  /// that stays as it is is there in the answer all the same. Unlike a single change, none of it is
  /// in force before it is on disk.
  /// Throws `OfPlan` or `StoreError`.
  func apply(
    all wishes: [Wish], archiving farewells: [Farewell], _ context: CommandContext,
    limit: Set<String>?
  ) async throws -> [Done] {
    let features = Set(wishes.map(\.definition.feature) + farewells.map(\.feature)).sorted()
    // Always in the same order, so that two of them never wait for each other.
    for feature in features { await lock(.plan(feature)) }
    defer { for feature in features { unlock(.plan(feature)) } }
    var planned: [(change: Lifecycle.Change?, done: Done)] = []
    for wish in wishes {
      planned.append(
        try of(wish.definition.feature) { try change(wish, context, limit: limit) })
    }
    for farewell in farewells { planned.append(try of(farewell.feature) { try end(farewell) }) }
    let changes = planned.compactMap(\.change)
    guard !changes.isEmpty else { return planned.map(\.done) }
    for feature in features { try await settle(.plan(feature)) }
    for stored in try await commit(all: changes) { tell(stored) }
    return planned.map(\.done)
  }

  private func of<Value>(_ feature: String, _ work: () throws -> Value) throws(OfPlan) -> Value {
    do { return try work() } catch { throw OfPlan(feature: feature, cause: error) }
  }

  private func end(_ farewell: Farewell) throws -> (Lifecycle.Change?, Done) {
    let plan = try readable(farewell.feature)
    guard plan.version == farewell.version else { throw stale(plan, farewell.context.actor) }
    let change = try Lifecycle.perform(.archive, on: plan, farewell.context)
    return (change, Done(plan: change?.plan ?? plan))
  }

  private func readable(_ feature: String) throws -> Plan {
    guard !isUnreadable(feature) else {
      throw Problem(
        .invalidPlan, "The stored plan cannot be read; apply its file alone, or kill it.")
    }
    return try plan(feature)
  }

  private func change(
    _ wish: Wish, _ context: CommandContext, limit: Set<String>?
  ) throws -> (Lifecycle.Change?, Done) {
    let definition = wish.definition
    try checkCohorts(of: definition, limit: limit)
    guard planIfAny(definition.feature) != nil else {
      guard wish.version == nil else { throw UnknownFeature(feature: definition.feature) }
      let change = Lifecycle.create(definition, context)
      return (change, Done(plan: change.plan))
    }
    let plan = try readable(definition.feature)
    guard plan.version == wish.version else { throw stale(plan, context.actor) }
    var context = context
    if let index = try? Lifecycle.stageIndex(of: plan, in: definition) {
      context.audience = AudienceChange(plan, to: definition, index: index)
    }
    let command = Command.apply(definition, digest: definition.digest)
    guard let change = try Lifecycle.perform(command, on: plan, context) else {
      return (nil, Done(plan: plan))
    }
    return (change, Done(plan: change.plan, audience: context.audience))
  }

  /// Writes them together and puts them in force.
  private func commit(all changes: [Lifecycle.Change]) async throws -> [StoredEvent] {
    let stored: [StoredEvent]
    do { stored = try await planStore.commit(all: changes) } catch let error as StoreError {
      // Nobody knows what the file holds now: what it says counts.
      for change in changes { await reread(.plan(change.plan.feature)) }
      guard changes.allSatisfy({ planIfAny($0.plan.feature) == $0.plan }) else { throw error }
      return []
    }
    for change in changes { take(change.plan) }
    publish()
    return stored
  }
}

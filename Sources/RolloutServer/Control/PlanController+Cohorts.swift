import DocumentKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation

extension PlanController {
  /// Members of one cohort, whoever adds them.
  static let membersMax = 4_000_000

  /// What became of a list: who was not in before, who was, and how many are in now.
  struct Added: Sendable {
    var new: Int
    var known: Int
    var total: Int
  }

  /// Whether a plan uses it or somebody is in it: another name may be a misspelt one.
  func isKnown(_ cohort: String) -> Bool {
    cohorts[cohort]?.isEmpty == false || !features(using: cohort).isEmpty
  }

  /// The plan with the members that its cohorts have now, whatever it is.
  func compiled(_ plan: Plan) -> CompiledPlan {
    CompiledPlan(plan, at: clock.steady) { cohorts[$0] ?? ByteSet() }
  }

  /// Users whom plans name, in cohorts of their stages and on their lists, each once; nil where
  /// they are too many to look at one by one.
  func named(by plans: [Plan]) -> [String]? {
    let names = Set(plans.flatMap { $0.definition.stages.compactMap(\.audience.cohort) })
    let lists = plans.flatMap {
      $0.definition.population.forceOn + $0.definition.population.forceOff
    }
    let most = names.reduce(lists.count) { $0 + memberCount(of: $1) }
    guard most <= Self.namedMax else { return nil }
    var users = ByteSet(lists)
    for name in names.sorted() {
      for user in cohorts[name]?.texts ?? [] { users.insert(user) }
    }
    return users.texts
  }

  private static let namedMax = 200_000

  /// How many people the open stages of a plan name, where they are open to nobody else; nil where
  /// others can have it, or where there is no list.
  func listedMembers(_ plan: Plan) -> Int? {
    let stages = plan.definition.stages
    guard plan.isServing, stages.indices.contains(plan.stageIndex) else { return nil }
    let open = stages[...plan.stageIndex].map(\.audience)
    guard open.allSatisfy({ $0.rules.isEmpty && ($0.percent ?? Share.none) == Share.none }) else {
      return nil
    }
    let lists = open.compactMap(\.cohort).compactMap { cohorts[$0] }
    let largest = lists.map(\.count).max() ?? 0
    // Who is on two of them is counted where that is worth the while.
    guard largest <= StageUsers.shortList else { return largest }
    return Set(lists.flatMap(\.texts) + plan.definition.audience.population.forceOn).count
  }

  /// Cohorts in use or with members; with a limit, those that its features use.
  func knownCohorts(usedBy limit: Set<String>?) -> Set<String> {
    if let limit { return cohorts(usedBy: limit) }
    return cohorts(usedBy: Set(plans.keys)).union(cohorts.filter { !$0.value.isEmpty }.keys)
  }

  /// What a limited token may name in a plan: a plan tells by its decisions who is in a cohort, and
  /// keeps others from changing it. So it may name what its features use already, and what is free:
  /// used by nobody and without members, which somebody else may have prepared.
  func checkCohorts(of definition: PlanDefinition, limit: Set<String>?) throws(Problem) {
    guard let limit else { return }
    for cohort in Set(definition.stages.compactMap(\.audience.cohort)).sorted() {
      let users = features(using: cohort)
      let isFree = users.isEmpty && memberCount(of: cohort) == 0
      guard !isFree, users.isDisjoint(with: limit) else { continue }
      throw Problem(
        .forbidden,
        "The token is limited to some features, and the cohort \(cohort) belongs to others; name "
          + "another cohort, or use a token without that limit.")
    }
  }

  /// All of them or none, each listed once. In the order of the commits: of two at once, memory
  /// keeps what the file keeps. Throws `StoreError` or `Problem`.
  func add(
    _ users: [String], to cohort: String, by principal: Principal? = nil, reason: String = ""
  ) async throws -> Added {
    await lock(.cohort(cohort))
    defer { unlock(.cohort(cohort)) }
    try principal?.checkInForce()
    let before = memberCount(of: cohort)
    guard before + users.count <= Self.membersMax else {
      throw Problem(
        .tooMany,
        "A cohort has at most \(Self.membersMax) members, and \(cohort) has \(before); use a rule on "
          + "an attribute for more.")
    }
    do {
      try await settle(.cohort(cohort))
      try await cohortStore.add(
        users, to: cohort, at: clock.now,
        noting: record(.cohortMembersAdded, cohort, principal, reason))
    } catch {
      await reread(.cohort(cohort))
      throw error
    }
    for user in users { cohorts[cohort, default: ByteSet()].insert(user) }
    let total = memberCount(of: cohort)
    let new = total - before
    if new > 0 { recompile(using: cohort) }
    return Added(new: new, known: users.count - new, total: total)
  }

  /// False when the user is out and the file could not be told yet: leaving is never refused.
  /// Throws `Problem` where who asks has ended meanwhile.
  func remove(
    _ user: String, from cohort: String, by principal: Principal? = nil, reason: String = ""
  ) async throws(Problem) -> Bool {
    await lock(.cohort(cohort))
    defer { unlock(.cohort(cohort)) }
    try principal?.checkInForce()
    var isDurable = true
    let entry = record(.cohortMembersRemoved, cohort, principal, reason)
    do {
      try await settle(.cohort(cohort))
      try await cohortStore.remove(user, from: cohort, noting: entry)
    } catch {
      isDurable = false
      unwrittenRemovals[cohort, default: [:]][user] = entry
      note("cohort:\(cohort)", Self.sentence(cohort, error))
    }
    let before = memberCount(of: cohort)
    cohorts[cohort]?.remove(user)
    if memberCount(of: cohort) < before { recompile(using: cohort) }
    return isDurable
  }

  /// Takes everybody out: the cohort is as if it had never been. Returns how many were in. Throws
  /// `StoreError`; whoever was in is in still then.
  func removeAll(
    from cohort: String, by principal: Principal? = nil, reason: String = ""
  ) async throws -> Int {
    await lock(.cohort(cohort))
    defer { unlock(.cohort(cohort)) }
    try principal?.checkInForce()
    let before = memberCount(of: cohort)
    do {
      try await settle(.cohort(cohort))
      try await cohortStore.removeAll(
        from: cohort, noting: record(.cohortDeleted, cohort, principal, reason))
    } catch {
      await reread(.cohort(cohort))
      throw error
    }
    cohorts[cohort] = nil
    if before > 0 { recompile(using: cohort) }
    return before
  }

  private func record(
    _ kind: AuditRecord.Kind, _ cohort: String, _ principal: Principal?, _ reason: String
  ) -> AuditRecord {
    AuditRecord(
      kind, by: principal?.actor ?? .server, target: cohort, reason: reason, at: clock.now)
  }

  private static func sentence(_ cohort: String, _ error: any Error) -> String {
    "members of cohort \(cohort) have left in memory only, and will be back after a restart: \(error)"
  }

  /// Who is in, as it is in force: `limit` of them behind `after`, in the order of their bytes, and
  /// whether the file says the same. Throws `StoreError`.
  func members(
    of cohort: String, after: String?, limit: Int
  ) async throws -> (users: [String], isDurable: Bool) {
    let gone = Set((unwrittenRemovals[cohort] ?? [:]).keys)
    let stored = try await cohortStore.members(
      of: cohort, after: after, limit: limit.adding(gone.count))
    return (Array(stored.filter { !gone.contains($0) }.prefix(limit)), gone.isEmpty)
  }

  /// Writes the removals that could not be written. Throws `StoreError`.
  func writeRemovals(_ cohort: String) async throws {
    guard let users = unwrittenRemovals[cohort] else { return }
    for (user, entry) in users {
      try await cohortStore.remove(user, from: cohort, noting: entry)
      unwrittenRemovals[cohort]?[user] = nil
    }
    unwrittenRemovals[cohort] = nil
    note("cohort:\(cohort)", nil)
  }

  /// Takes in what the file says of a cohort. Throws `StoreError`.
  func rereadMembers(_ cohort: String) async throws {
    let stored = try await cohortStore.members(of: cohort, after: nil, limit: Int.max)
    let gone = unwrittenRemovals[cohort] ?? [:]
    cohorts[cohort] = ByteSet(stored.filter { gone[$0] == nil })
    recompile(using: cohort)
  }
}

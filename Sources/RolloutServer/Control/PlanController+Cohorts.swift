import RolloutCore

extension PlanController {
  /// In the order of the commits: of two at once, memory keeps what the file keeps. Throws
  /// `StoreError`.
  func add(_ users: [String], to cohort: String) async throws {
    await lock(.cohort(cohort))
    defer { unlock(.cohort(cohort)) }
    do {
      try await settle(.cohort(cohort))
      try await cohortStore.add(users, to: cohort, at: clock.now)
    } catch {
      await reread(.cohort(cohort))
      throw error
    }
    for user in users { cohorts[cohort, default: ByteSet()].insert(user) }
    recompile(using: cohort)
  }

  /// False when the user is out and the file could not be told yet: leaving is never refused.
  func remove(_ user: String, from cohort: String) async -> Bool {
    await lock(.cohort(cohort))
    defer { unlock(.cohort(cohort)) }
    var isDurable = true
    do {
      try await settle(.cohort(cohort))
      try await cohortStore.remove(user, from: cohort)
    } catch {
      isDurable = false
      unwrittenRemovals[cohort, default: []].insert(user)
      note("cohort:\(cohort)", Self.sentence(cohort, error))
    }
    cohorts[cohort]?.remove(user)
    recompile(using: cohort)
    return isDurable
  }

  private static func sentence(_ cohort: String, _ error: any Error) -> String {
    "members of cohort \(cohort) have left in memory only, and will be back after a restart: \(error)"
  }

  /// Writes the removals that could not be written. Throws `StoreError`.
  func writeRemovals(_ cohort: String) async throws {
    guard let users = unwrittenRemovals[cohort] else { return }
    for user in users {
      try await cohortStore.remove(user, from: cohort)
      unwrittenRemovals[cohort]?.remove(user)
    }
    unwrittenRemovals[cohort] = nil
    note("cohort:\(cohort)", nil)
  }

  /// Takes in what the file says of a cohort. Throws `StoreError`.
  func rereadMembers(_ cohort: String) async throws {
    let stored = try await cohortStore.members(of: cohort, after: nil, limit: Int.max)
    let gone = unwrittenRemovals[cohort] ?? []
    cohorts[cohort] = ByteSet(stored.filter { !gone.contains($0) })
    recompile(using: cohort)
  }
}

import RolloutAPI
import RolloutCore

/// What happens when the file cannot be written or read.
///
/// A failed commit leaves nobody knowing what the file holds, so it is read again. What takes the
/// feature from people, or keeps it from more, is in force all the same and is written as soon as
/// it can be; everything else is refused.
extension PlanController {
  // MARK: A plan that cannot be read

  /// Keeps a feature whose stored plan cannot be read: it serves nobody, and can be written anew.
  func takeUnreadable(_ found: UnreadablePlan) {
    take(found.placeholder(at: clock.moment))
    unreadable[found.feature] = found
    note("plan:\(found.feature)", found.sentence)
  }

  func isUnreadable(_ feature: String) -> Bool { unreadable[feature] != nil }

  /// What is wrong with a plan, for people; nil is nothing.
  func degraded(_ feature: String) -> String? {
    if let unreadable = unreadable[feature] { return unreadable.sentence }
    return unwritten[feature].map { Self.sentence(feature, $0) }
  }

  /// Whether what is in force of a feature is on disk.
  func isDurable(_ feature: String) -> Bool { unwritten[feature] == nil }

  /// What is in force of a feature and not on disk yet, the newest first.
  func unwrittenEvents(of feature: String) -> [PlanEvent] {
    (unwritten[feature] ?? []).reversed().map(\.change.event)
  }

  /// The features of which `degraded` says something.
  var degradedFeatures: Set<String> { Set(unreadable.keys).union(unwritten.keys) }

  private static func sentence(_ feature: String, _ waiting: [Unwritten]) -> String {
    let words = waiting.map { $0.change.event.kind.rawValue.replacing("_", with: " ") }
    return "\(feature) is \(words.joined(separator: ", then ")) in memory only: it is in force, "
      + "and is written as soon as the disk allows; a restart before that brings the older state back"
  }

  /// The answer of a command that is in force and not on disk yet.
  func unwrittenAnswer(scope: String, key: String) -> StoredAnswer? {
    for change in unwritten.values.joined() {
      if let answer = change.answer, answer.scope == scope, answer.key == key { return answer }
    }
    return nil
  }

  // MARK: After a failure

  /// Finds out what became of a change whose commit failed, and puts it in force where it only
  /// takes away. Throws `Stale`, `Problem` or the `StoreError` itself.
  func recover(from error: StoreError, _ wanted: Unwritten) async throws -> Done {
    switch error {
    case .unreadable, .alreadyExists, .notFound: throw error
    case .stale, .unavailable, .uncertain, .corrupt: break
    }
    let plan = wanted.change.plan
    let isKnown = await reread(.plan(plan.feature))
    if isKnown, plans[plan.feature] == plan {
      // It is in the file after all; `reread` has told of it.
      return Done(plan: plan, stored: try? await planStore.lastEvent(of: plan))
    }
    if error == .stale, let current = plans[plan.feature], current.version >= plan.version {
      throw stale(current, wanted.change.event.actor)
    }
    guard let before = plans[plan.feature], before.version == plan.version - 1,
      wanted.change.lowersExposure(from: before), unreadable[plan.feature] == nil
    else {
      guard isKnown || unwritten[plan.feature] != nil else {
        throw Problem(
          .unavailable,
          "\(error). Whether this change is on disk is not known before the disk can be read "
            + "again; it is not in force. Look at the plan then, and at /readyz.")
      }
      throw error
    }
    unwritten[plan.feature, default: []].append(wanted)
    take(plan)
    // Its event comes once it is written; what users get is another now.
    publish(telling: [plan.feature])
    note("plan:\(plan.feature)", degraded(plan.feature))
    return Done(plan: plan, stored: nil, isDurable: false)
  }

  /// Makes memory and file agree again before the next change. Throws `StoreError`.
  func settle(_ subject: Subject) async throws {
    if uncertain.contains(subject), let why = await failureOfRereading(subject) {
      throw StoreError.unavailable(
        "a write has failed, and what the disk holds since cannot be read: \(why)")
    }
    switch subject {
    case .plan(let feature): try await writeChanges(feature)
    case .cohort(let cohort): try await writeRemovals(cohort)
    case .request: break
    }
  }

  /// Whether the file could be read; what it says counts from then on.
  @discardableResult
  func reread(_ subject: Subject) async -> Bool { await failureOfRereading(subject) == nil }

  private func failureOfRereading(_ subject: Subject) async -> (any Error)? {
    do {
      switch subject {
      case .plan(let feature): try await rereadPlan(feature)
      case .cohort(let cohort): try await rereadMembers(cohort)
      case .request: break
      }
      uncertain.remove(subject)
      return nil
    } catch {
      uncertain.insert(subject)
      return error
    }
  }

  private func rereadPlan(_ feature: String) async throws {
    guard let found = try await planStore.loadPlan(feature) else { return }
    switch found {
    case .unreadable(let found):
      guard unreadable[feature] != found else { return }
      takeUnreadable(found)
      publish(telling: [feature])
    case .readable(let stored):
      let known = plans[feature]
      // What waits to be written comes after what is there.
      guard unwritten[feature] == nil, stored != known else { return }
      let news = try await planStore.events(feature: feature, before: nil, limit: 100)
      take(stored)
      publish()
      for event in news.reversed() where event.event.version > known?.version ?? 0 { tell(event) }
    }
  }

  /// Writes the changes that are in force and not on disk. Throws `StoreError`.
  private func writeChanges(_ feature: String) async throws {
    while let next = unwritten[feature]?.first {
      let stored: StoredEvent?
      do {
        stored = try await planStore.commit(next.change, answer: next.answer)
      } catch StoreError.stale {
        // An earlier try was written although it failed, or somebody else has written the file.
        guard case .readable(let found)? = try await planStore.loadPlan(feature),
          found == next.change.plan
        else {
          unwritten[feature] = nil
          note("plan:\(feature)", nil)
          try await rereadPlan(feature)
          return
        }
        stored = try await planStore.lastEvent(of: found)
      }
      unwritten[feature]?.removeFirst()
      if unwritten[feature]?.isEmpty == true { unwritten[feature] = nil }
      note("plan:\(feature)", degraded(feature))
      if let stored { tell(stored) }
    }
  }

  /// Tries again what could not be written or read; what is left, in words.
  @discardableResult
  func repair() async -> [String] {
    let waiting = Set(unwritten.keys.map { Subject.plan($0) })
      .union(unwrittenRemovals.keys.map { .cohort($0) }).union(uncertain)
    for subject in waiting {
      await lock(subject)
      try? await settle(subject)
      unlock(subject)
    }
    return unwritten.map { Self.sentence($0.key, $0.value) }.sorted()
  }
}

extension PlanStore {
  /// The event that made this version of a plan.
  fileprivate func lastEvent(of plan: Plan) async throws -> StoredEvent? {
    try await events(feature: plan.feature, before: nil, limit: 1).first {
      $0.event.version == plan.version
    }
  }
}

extension UnreadablePlan {
  /// What is wrong, and what to do.
  fileprivate var sentence: String {
    "the stored plan of \(feature) (version \(version)) cannot be read, so nobody is served: apply it "
      + "anew with If-Match \"\(version)\", or kill it (\(why))"
  }
}

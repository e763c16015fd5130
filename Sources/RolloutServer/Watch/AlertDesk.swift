import RolloutAPI
import RolloutCore

/// Judges alerts: one judgement for each feature and action of what comes together, one after the
/// other for each feature.
actor AlertDesk {
  /// One alert of a payload.
  struct Received: Sendable {
    /// For the answer.
    var id: String
    var alert: Alert
    var isResolved = false
    /// Why it cannot be acted on, whatever the plan says.
    var problem: AlertPolicy.Inertness?
  }

  /// What became of alerts of one feature and action that fared alike.
  struct Result: Sendable {
    var first: Received
    /// nil when it acted.
    var why: AlertPolicy.Inertness?
    /// False when it, or the one it repeats, acted and could not be written yet.
    var isDurable = true
    var count = 1
  }

  /// Rows of one transaction: plans are committed in between.
  private static let rowsPerWrite = 500
  private static let unwrittenMax = 1000

  private let controller: PlanController
  private let store: any AlertStore
  private let history: any PlanStore
  private let clock: any SteadyClock
  private let log: Log
  /// What acted and is not in the store yet.
  private var unwritten: [AlertRecord] = []
  /// Features being judged, each with those who wait for it.
  private var waiters: [String: [CheckedContinuation<Void, Never>]] = [:]

  init(
    controller: PlanController, store: any AlertStore, history: any PlanStore,
    clock: any SteadyClock, log: Log
  ) {
    self.controller = controller
    self.store = store
    self.history = history
    self.clock = clock
    self.log = log
  }

  /// Judges what came together. Throws after the whole of it was looked at, when something could
  /// not be done and should be sent again.
  func judge(
    _ received: [Received], from principal: Principal, sender: String
  ) async throws -> [Result] {
    var groups: [String: [Received]] = [:]
    var order: [String] = []
    for item in received {
      let group = "\(item.alert.feature) \(item.problem?.rawValue ?? item.alert.action.rawValue)"
      if groups[group] == nil { order.append(group) }
      groups[group, default: []].append(item)
    }
    var results: [[Result]] = []
    // Names that nobody knows: there may be any number, and they wait for those that may act.
    var strangers: [(index: Int, group: [Received])] = []
    var failure: (any Error)?
    for name in order {
      let group = groups[name] ?? []
      let feature = group.first?.alert.feature ?? ""
      results.append([])
      guard await isKnown(feature, to: principal) else {
        strangers.append((results.count - 1, group))
        continue
      }
      await lock(feature)
      do {
        results[results.count - 1] = try await judge(group: group, principal, sender)
      } catch { failure = error }
      unlock(feature)
    }
    do {
      try await keep(strangers.flatMap { Self.inert($0.group, .unknownFeature, sender) })
    } catch { failure = error }
    if let failure { throw failure }
    for (index, group) in strangers { results[index] = Self.told(group, .unknownFeature) }
    return results.flatMap(\.self)
  }

  private func isKnown(_ feature: String, to principal: Principal) async -> Bool {
    await controller.planIfAny(feature) != nil && principal.may(use: feature)
  }

  // MARK: One feature and action

  private func judge(
    group: [Received], _ principal: Principal, _ sender: String
  ) async throws -> [Result] {
    guard let some = group.first else { return [] }
    try principal.checkInForce()
    let (feature, action) = (some.alert.feature, some.alert.action)
    guard await isKnown(feature, to: principal) else {
      return try await turnDown(group, .unknownFeature, sender)
    }
    if let problem = some.problem { return try await turnDown(group, problem, sender) }
    // What cannot be read does not keep an alert from acting: acting twice is better than not.
    var known =
      (try? await store.finalAlerts(
        Set(group.map(\.alert.dedupeKey)), feature: feature, action: action, sender: sender)) ?? [:]
    for item in group where isRemembered(item.alert) { known[item.alert.dedupeKey] = .acted }
    let isDurable = await controller.isDurable(feature)
    let resolved = group.filter(\.isResolved)
    let gone = Set(resolved.map(\.alert.dedupeKey))
    let firing = group.filter { !$0.isResolved && !gone.contains($0.alert.dedupeKey) }
    var results: [Result] = []
    func add(_ some: [Received], _ why: AlertPolicy.Inertness, isDurable: Bool = true) {
      if let first = some.first {
        results.append(Result(first: first, why: why, isDurable: isDurable, count: some.count))
      }
    }
    let open = firing.filter { known[$0.alert.dedupeKey] == nil }
    // First of all: what it takes away does not wait for the list.
    if !open.isEmpty { results += try await judge(open: open, principal, sender) }
    add(firing.filter { known[$0.alert.dedupeKey] == .acted }, .repeat, isDurable: isDurable)
    add(firing.filter { known[$0.alert.dedupeKey] == .resolved }, .resolved)
    add(resolved, .resolved)
    try await keep(
      resolved.map { AlertRecord(.resolved, $0.alert, sender: sender, why: .resolved) })
    return results
  }

  /// Alerts of one feature and action that are not final.
  private func judge(
    open: [Received], _ principal: Principal, _ sender: String
  ) async throws -> [Result] {
    guard let speaker = AlertPolicy.speaker(of: open, \.alert) else { return [] }
    let verdict = try await act(speaker, open.count, for: principal)
    guard case .inert(let why) = verdict else {
      try await keep(open.map { AlertRecord(.acted, $0.alert, sender: sender) })
      var results = [
        Result(first: speaker, why: nil, isDurable: verdict == .acted(isDurable: true))
      ]
      let others = open.filter { $0.alert.dedupeKey != speaker.alert.dedupeKey }
      if let first = others.first {
        results.append(Result(first: first, why: .repeat, count: others.count))
      }
      return results
    }
    return try await turnDown(open, why, sender)
  }

  private func turnDown(
    _ group: [Received], _ why: AlertPolicy.Inertness, _ sender: String
  ) async throws -> [Result] {
    try await keep(Self.inert(group, why, sender))
    return Self.told(group, why)
  }

  /// For the list, folded by name as the store will.
  private static func inert(
    _ group: [Received], _ why: AlertPolicy.Inertness, _ sender: String
  ) -> [AlertRecord] {
    var folded: [String: AlertRecord] = [:]
    for item in group {
      let why = item.isResolved ? .resolved : why
      let first = AlertRecord(.inert, item.alert, sender: sender, why: why, count: 0)
      folded["\(why.rawValue) \(item.alert.name)", default: first].count += 1
    }
    return Array(folded.values)
  }

  /// For the answer.
  private static func told(_ group: [Received], _ why: AlertPolicy.Inertness) -> [Result] {
    group.first.map {
      [Result(first: $0, why: $0.isResolved ? .resolved : why, count: group.count)]
    } ?? []
  }

  /// What acted is done, and remembered until it can be written. What did nothing and cannot be
  /// listed is to be sent again: nobody would know of it.
  private func keep(_ records: [AlertRecord]) async throws {
    let records = unwritten + records
    unwritten = []
    for start in stride(from: 0, to: records.count, by: Self.rowsPerWrite) {
      let end = min(start + Self.rowsPerWrite, records.count)
      do { try await store.keep(Array(records[start..<end])) } catch {
        log.error("what became of alerts could not be written", ["error": "\(error)"])
        let rest = records[start...]
        unwritten += rest.filter { $0.state == .acted }.suffix(Self.unwrittenMax)
        guard rest.allSatisfy({ $0.state == .acted }) else { throw error }
        return
      }
    }
  }

  // MARK: Acting

  private enum Verdict: Equatable {
    case acted(isDurable: Bool)
    case inert(AlertPolicy.Inertness)
  }

  /// Carries the alert out; the reason when it does not apply. A change that comes in between is
  /// looked at again.
  private func act(
    _ received: Received, _ count: Int, for principal: Principal
  ) async throws -> Verdict {
    let alert = received.alert
    for _ in 0..<5 {
      guard let plan = await controller.planIfAny(alert.feature) else {
        return .inert(.unknownFeature)
      }
      let command: Command
      switch AlertPolicy.decide(alert, plan, now: clock.steady, wasSet: clock.hasStepped(since:)) {
      case .act(let step): command = step
      case .inert(let why): return .inert(why)
      }
      if await hasActed(alert) { return .inert(.repeat) }
      var context = CommandContext(
        actor: .alert(alert.name), reason: alert.reason, now: clock.moment)
      context.evidence = alert.evidence(id: received.id, count: count)
      do {
        let done = try await controller.perform(
          command, on: plan.feature, expecting: plan.version, context, by: principal)
        return .acted(isDurable: done.isDurable)
      } catch is PlanController.Stale { continue }
    }
    throw Problem(.unavailable, "The plan keeps changing; send the alert again.")
  }

  /// Whether it acted and could not be noted yet.
  private func isRemembered(_ alert: Alert) -> Bool {
    unwritten.contains {
      $0.alert.dedupeKey == alert.dedupeKey && $0.alert.feature == alert.feature
        && $0.alert.action == alert.action
    }
  }

  /// Whether the history knows it: it acted, and a crash came before that was noted.
  private func hasActed(_ alert: Alert) async -> Bool {
    let events = try? await history.events(
      feature: alert.feature, before: nil, limit: AlertPolicy.eventsMax)
    return (events ?? []).contains { alert.hasCaused($0.event) }
  }

  // MARK: One at a time

  private func lock(_ feature: String) async {
    guard waiters[feature] != nil else {
      waiters[feature] = []
      return
    }
    await withCheckedContinuation { waiters[feature, default: []].append($0) }
  }

  private func unlock(_ feature: String) {
    guard var queue = waiters[feature], !queue.isEmpty else {
      waiters[feature] = nil
      return
    }
    let next = queue.removeFirst()
    waiters[feature] = queue
    next.resume()
  }
}

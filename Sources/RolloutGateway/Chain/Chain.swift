import PlatformKit
import RolloutCore

/// One request's way along its route: which target is tried, when, and how often.
///
/// Targets are asked in their order. One whose breaker is open is passed over; one that has no room
/// is too, and only when no other could answer the request waits for its turn there.
struct Chain: Sendable {
  /// A provider that wants a longer pause is not waited for.
  private static let waitMax = 8.0

  let request: ChatRequest
  let caller: Caller
  let route: GatewayConfiguration.Route
  let providers: [String: any Provider]
  let gates: [String: ProviderGate]
  let board: TargetBoard
  /// Numbers in 0..<1 for the pause before a retry.
  let jitter: @Sendable () -> Double
  let clock: any GatewayClock

  /// What has happened so far.
  private struct Progress {
    let deadline: MonotonicInstant
    let clock: any GatewayClock
    var attempts = 0
    var last = ProviderFailure.timeout
    /// Whose failure `last` is.
    var failed: ProviderModel?
    var mayHaveCost = false
    /// When the last of the calls began whose failures keep this one away.
    var keptAwayBy: MonotonicInstant?
    /// Targets that had no room.
    var crowded: [Int] = []

    var secondsLeft: Double { deadline.seconds(since: clock.monotonic) }
    var isOver: Bool { secondsLeft <= 0 || attempts >= Gateway.triesMax }

    mutating func keepAway(_ began: MonotonicInstant?) {
      last = .breakerOpen
      keptAwayBy = [keptAwayBy, began].compactMap { $0 }.max()
    }

    var exhausted: Gateway.Exhausted {
      Gateway.Exhausted(
        last: last, attempts: attempts, deadlinePassed: secondsLeft <= 0, target: failed,
        mayHaveCost: mayHaveCost,
        keptAwayFor: last == .breakerOpen
          ? keptAwayBy.map { max(0, clock.monotonic.milliseconds(since: $0)) } : nil)
    }
  }

  /// Throws `Gateway.Exhausted`.
  func run<Answer: Sendable>(
    _ call: @Sendable (any Provider, Attempt) async throws -> Answer
  ) async throws -> (Answer, Gateway.Trail, ProviderGate.Permit) {
    var progress = Progress(
      deadline: clock.monotonic.after(milliseconds: Int(route.deadline.milliseconds)), clock: clock,
      failed: route.targets.first.map { ProviderModel(provider: $0.provider, model: $0.model) })
    for index in route.targets.indices {
      if let done = try await visit(index, &progress, call) { return done }
      if progress.isOver { throw progress.exhausted }
    }
    for index in progress.crowded {
      if let done = try await queue(index, &progress, call) { return done }
      if progress.isOver { break }
    }
    throw progress.exhausted
  }

  /// Asks a target if it has room; nil when the next one has to be asked.
  private func visit<Answer: Sendable>(
    _ index: Int, _ progress: inout Progress,
    _ call: @Sendable (any Provider, Attempt) async throws -> Answer
  ) async throws -> (Answer, Gateway.Trail, ProviderGate.Permit)? {
    let target = route.targets[index]
    guard let gate = gates[target.provider] else { return nil }
    guard board.admit(target) else {
      if progress.attempts == 0, progress.crowded.isEmpty {
        progress.keepAway(board.keptAwayBy(target))
      }
      return nil
    }
    let permit: ProviderGate.Permit
    do {
      permit = try gate.enterAtOnce(caller, tokens: request.tokensExpected(target.params))
    } catch {
      board.withdraw(target)
      if progress.attempts == 0 { progress.last = error }
      if case .limited = error { progress.crowded.append(index) }
      return nil
    }
    let untried = route.targets.count - index - 1
    return try await ask(index, permit, leaving: untried, &progress, call)
  }

  /// Waits for a turn at a target that had no room, then asks it.
  private func queue<Answer: Sendable>(
    _ index: Int, _ progress: inout Progress,
    _ call: @Sendable (any Provider, Attempt) async throws -> Answer
  ) async throws -> (Answer, Gateway.Trail, ProviderGate.Permit)? {
    let target = route.targets[index]
    guard let gate = gates[target.provider] else { return nil }
    let permit: ProviderGate.Permit
    do {
      permit = try await gate.enter(
        caller, tokens: request.tokensExpected(target.params), deadline: progress.deadline)
    } catch {
      progress.last = error as? ProviderFailure ?? .cancelled
      if progress.last == .cancelled { throw progress.exhausted }
      return nil
    }
    guard board.admit(target) else {
      permit.leave(usedTokens: 0)
      progress.keepAway(board.keptAwayBy(target))
      return nil
    }
    let untried = progress.crowded.count { $0 > index }
    return try await ask(index, permit, leaving: untried, &progress, call)
  }

  /// Asks a target, and once more where that may help: with another key at once, or after a pause.
  /// The second time must leave tries for `untried` targets.
  private func ask<Answer: Sendable>(
    _ index: Int, _ permit: ProviderGate.Permit, leaving untried: Int, _ progress: inout Progress,
    _ call: @Sendable (any Provider, Attempt) async throws -> Answer
  ) async throws -> (Answer, Gateway.Trail, ProviderGate.Permit)? {
    if let done = try await attempt(index, permit, &progress, call) { return done }
    let target = route.targets[index]
    let mayRetry = !progress.isOver && Gateway.triesMax - progress.attempts > untried
    // It has had its turn: with another key it keeps its place.
    if mayRetry, progress.last.concernsKey, let other = permit.exchangeKey() {
      if board.admit(target), let done = try await attempt(index, other, &progress, call) {
        return done
      }
      other.leave(usedTokens: progress.last.mayHaveCost ? nil : 0)
      return nil
    }
    permit.leave(usedTokens: progress.last.mayHaveCost ? nil : 0)
    guard mayRetry, progress.last.isTransient, board.allowsRetry(target.provider),
      await pause(after: progress.last, progress.secondsLeft), !progress.isOver,
      let gate = gates[target.provider], board.admit(target)
    else { return nil }
    guard let permit = try? gate.enterAtOnce(caller, tokens: request.tokensExpected(target.params))
    else {
      board.withdraw(target)
      return nil
    }
    if let done = try await attempt(index, permit, &progress, call) { return done }
    permit.leave(usedTokens: progress.last.mayHaveCost ? nil : 0)
    return nil
  }

  /// One attempt; nil when it failed in a way that leaves hope, and the permit is still held.
  private func attempt<Answer: Sendable>(
    _ index: Int, _ permit: ProviderGate.Permit, _ progress: inout Progress,
    _ call: @Sendable (any Provider, Attempt) async throws -> Answer
  ) async throws -> (Answer, Gateway.Trail, ProviderGate.Permit)? {
    let target = route.targets[index]
    guard let provider = providers[target.provider] else { return nil }
    // As if it had hung up: nothing is asked or paid for whoever lost its token while it waited.
    guard caller.isInForce() else {
      board.withdraw(target)
      permit.leave(usedTokens: 0)
      progress.last = .cancelled
      throw progress.exhausted
    }
    progress.attempts += 1
    let left = progress.secondsLeft
    let attempt = Attempt(
      request: request, target: target, seconds: min(left, target.timeout?.seconds ?? left),
      key: permit.key, hear: permit.learn, wall: clock.now.milliseconds)
    let started = clock.monotonic
    board.begin(target)
    do {
      let answer = try await call(provider, attempt)
      board.end(target, started, nil)
      permit.note(nil)
      let trail = Gateway.Trail(
        provider: provider.name, model: target.model, target: target.model,
        attempts: progress.attempts,
        insteadOf: index > 0
          ? ProviderModel(provider: route.targets[0].provider, model: route.targets[0].model) : nil)
      return (answer, trail, permit)
    } catch {
      var failure = error as? ProviderFailure ?? .cancelled
      if Task.isCancelled { failure = .cancelled }
      board.end(target, started, failure)
      permit.note(failure)
      progress.last = failure
      progress.failed = ProviderModel(provider: target.provider, model: target.model)
      progress.mayHaveCost = progress.mayHaveCost || failure.mayHaveCost
      guard failure.allowsFallback else {
        permit.leave(usedTokens: failure.mayHaveCost ? nil : 0)
        var ended = progress.exhausted
        ended.deadlinePassed = false
        throw ended
      }
      return nil
    }
  }

  /// Waits full jitter (or what the provider asked for); false when there is no time for it.
  private func pause(after failure: ProviderFailure, _ left: Double) async -> Bool {
    var seconds = jitter() * 0.25
    if case .throttled(let retryAfter) = failure {
      guard let retryAfter else { return false }
      seconds = max(seconds, retryAfter)
    }
    guard seconds <= Self.waitMax, seconds < left / 2 else { return false }
    do { try await clock.sleep(milliseconds: Int(seconds * 1000)) } catch { return false }
    return true
  }
}

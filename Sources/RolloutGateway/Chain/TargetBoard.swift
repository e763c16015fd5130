import PlatformKit
package import RolloutCore
import Synchronization

/// A provider's model as the gateway sees it.
package struct TargetStatus: Sendable, Equatable {
  package var provider: String
  package var model: String
  /// `closed`, `open` or `half_open`.
  package var breaker: String
  package var inFlight: Int
  package var requests: Int
  package var failures: Int
  package var latencies: LatencyHistogram
}

/// How every provider's models do: breakers, retry budgets, counts.
final class TargetBoard: Sendable {
  fileprivate struct Target: Sendable {
    var breaker = Breaker()
    var inFlight = 0
    var requests = 0
    var failures = 0
    var latencies = LatencyHistogram()
  }

  private struct State: Sendable {
    var targets: [String: [String: Target]] = [:]
    var retries: [String: RetryBudget] = [:]
  }

  private let state = Mutex(State())
  private let clock: any MonotonicClock
  /// Numbers in 0..<1, which spread the probes of many servers.
  private let jitter: @Sendable () -> Double

  init(clock: any MonotonicClock, jitter: @escaping @Sendable () -> Double) {
    self.clock = clock
    self.jitter = jitter
  }

  /// Every provider's model that has been called, by name.
  var statuses: [TargetStatus] {
    let now = clock.monotonic
    return state.withLock { state in
      state.targets.sorted { $0.key < $1.key }.flatMap { provider, models in
        models.sorted { $0.key < $1.key }.map { model, target in
          TargetStatus(
            provider: provider, model: model, breaker: target.breaker.state(now).rawValue,
            inFlight: target.inFlight, requests: target.requests, failures: target.failures,
            latencies: target.latencies)
        }
      }
    }
  }

  /// A provider's entry has changed: what was known of its faults is of another one.
  func renew(_ provider: String) {
    state.withLock { state in
      for model in state.targets[provider, default: [:]].keys {
        state.targets[provider]?[model]?.breaker = Breaker()
      }
      state.retries[provider] = nil
    }
  }

  func allowsRetry(_ provider: String) -> Bool {
    state.withLock { $0.retries[provider, default: RetryBudget()].allowsRetry }
  }

  /// Whether the breaker lets a call through, which counts it.
  func admit(_ target: GatewayConfiguration.Target) -> Bool {
    let now = clock.monotonic
    return state.withLock {
      $0.targets[target.provider, default: [:]][target.model, default: Target()].breaker.admit(now)
    }
  }

  /// When the call began whose failure keeps others from the target; nil where none does.
  func keptAwayBy(_ target: GatewayConfiguration.Target) -> MonotonicInstant? {
    state.withLock { $0.targets[target.provider]?[target.model]?.breaker.openedBy }
  }

  /// An admitted call did not begin after all.
  func withdraw(_ target: GatewayConfiguration.Target) {
    let now = clock.monotonic
    state.withLock { $0.targets[target.provider]?[target.model]?.breaker.forget(now) }
  }

  /// An admitted call begins.
  func begin(_ target: GatewayConfiguration.Target) {
    state.withLock {
      $0.targets[target.provider]?[target.model]?.inFlight += 1
      $0.targets[target.provider]?[target.model]?.requests += 1
    }
  }

  /// It ended: with an answer (or a stream's first content), or with `failure`.
  func end(
    _ target: GatewayConfiguration.Target, _ started: MonotonicInstant, _ failure: ProviderFailure?
  ) {
    let now = clock.monotonic
    let jitter = failure == nil ? 0 : jitter()
    state.withLock { state in
      if failure == nil {
        state.retries[target.provider, default: RetryBudget()].succeed()
      } else if failure?.isProviderFault == true {
        state.retries[target.provider, default: RetryBudget()].fail()
      }
      state.targets[target.provider]?[target.model]?.end(now, started, failure, jitter)
    }
  }

  /// A stream that had begun at `began` broke off: the breaker hears of it although the call had
  /// succeeded.
  func streamBroke(provider: String, model: String, began: MonotonicInstant) {
    let now = clock.monotonic
    let jitter = jitter()
    state.withLock {
      $0.targets[provider]?[model]?.failures += 1
      $0.targets[provider]?[model]?.breaker.fail(now, began: began, jitter: jitter)
    }
  }
}

extension TargetBoard.Target {
  fileprivate mutating func end(
    _ now: MonotonicInstant, _ started: MonotonicInstant, _ failure: ProviderFailure?,
    _ jitter: Double
  ) {
    inFlight -= 1
    switch failure {
    case nil:
      latencies.record(Double(now.milliseconds(since: started)))
      breaker.succeed(now)
    case let failure? where failure.isProviderFault:
      failures += 1
      breaker.fail(now, began: started, jitter: jitter)
    case let failure?:
      if failure != .cancelled { failures += 1 }
      breaker.forget(now, began: started)
    }
  }
}

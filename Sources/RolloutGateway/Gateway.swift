package import DocumentKit
package import HTTPKit
package import RolloutCore
import Synchronization

/// Sends an eligible request along its route until a target answers or the deadline ends it.
package final class Gateway: Sendable {
  /// Tries per request over all targets.
  package static let triesMax = 3
  /// A provider that wants a longer pause is not waited for.
  private static let waitMax = 8.0

  /// Who answered, and how many tries it took.
  package struct Trail: Sendable, Equatable {
    package var provider: String
    /// As the provider names it.
    package var model: String
    /// As the route names it: what prices and breakers go by.
    package var target: String
    package var attempts: Int
    /// Whether a target after the first answered.
    package var isFallbackModel: Bool
  }

  package struct Completion: Sendable {
    /// In the dialect of the provider that answered.
    package var body: RawObject
    package var dialect: ChatDialect
    /// Parameters that its dialect has no counterpart for, or that were clamped.
    package var dropped: [String]
    package var usage: Usage?
    package var cost: Money
    package var trail: Trail
  }

  /// A streamed answer whose first content is there.
  package struct Streaming: Sendable {
    package var trail: Trail
    /// Parameters that the provider's dialect has no counterpart for.
    package var dropped: [String]
    let stream: any ProviderStream

    package var dialect: ChatDialect { stream.dialect }

    /// The next chunk or event in its dialect; nil at the proper end. Throws `ProviderFailure`.
    package func next() async throws -> Document? { try await stream.next() }
  }

  /// No target answered.
  package struct Exhausted: Error, Sendable, Equatable {
    package var last: ProviderFailure
    package var attempts: Int
    package var deadlinePassed: Bool
    /// Whether a target may have worked on the request, and will bill it.
    package var mayHaveCost = false
  }

  /// What is known of a provider's model.
  private struct Target: Sendable {
    var breaker = Breaker()
    var inFlight = 0
    var requests = 0
    var failures = 0
    var latencies = LatencyHistogram()
  }

  private struct State: Sendable {
    var targets: [String: [String: Target]] = [:]
    var retries: [String: RetryBudget] = [:]

    func inFlight(_ provider: String) -> Int {
      targets[provider]?.values.reduce(0) { $0 + $1.inFlight } ?? 0
    }
  }

  package let configuration: GatewayConfiguration
  private let providers: [String: any Provider]
  private let state = Mutex(State())
  private let jitter: @Sendable () -> Double
  private let observe: @Sendable (AttemptReport) -> Void

  /// How one attempt at one target went, for metrics.
  package struct AttemptReport: Sendable {
    package var provider: String
    package var model: String
    package var seconds: Double
    /// nil when it answered.
    package var failure: ProviderFailure?
    /// nil for a stream, which has only begun to answer.
    package var usage: Usage?
    package var isStream: Bool
  }

  /// `jitter` gives numbers in 0..<1 for the pause before a retry.
  package init(
    _ configuration: GatewayConfiguration, client: HTTPClient,
    jitter: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) },
    observe: @escaping @Sendable (AttemptReport) -> Void = { _ in }
  ) {
    self.observe = observe
    self.configuration = configuration
    self.jitter = jitter
    providers = configuration.providers.mapValues { settings -> any Provider in
      switch settings.kind {
      case .openai: OpenAIProvider(settings: settings, client: client)
      case .anthropic: AnthropicProvider(settings: settings, client: client)
      case .echo: EchoProvider(settings)
      }
    }
  }

  /// Completes a chat. Throws `Exhausted`.
  package func complete(
    _ request: ChatRequest, route: GatewayConfiguration.Route
  ) async throws -> Completion {
    let (answer, trail) = try await chain(request, route) { provider, attempt in
      try await observed(provider, attempt, isStream: false, usage: \.usage) {
        try await provider.complete(attempt)
      }
    }
    var named = trail
    named.model = answer.model
    return Completion(
      body: answer.body, dialect: answer.dialect, dropped: answer.dropped, usage: answer.usage,
      cost: cost(of: answer.usage, model: trail.target), trail: named)
  }

  /// Starts a streamed chat; returns with the first content. Throws `Exhausted`.
  package func stream(
    _ request: ChatRequest, route: GatewayConfiguration.Route
  ) async throws -> Streaming {
    let (stream, trail) = try await chain(request, route) { provider, attempt in
      let limit = attempt.target.firstContent.map { min($0.seconds, attempt.seconds) }
      return try await observed(provider, attempt, isStream: true, usage: { _ in nil }) {
        try await withTimeLimit(limit ?? attempt.seconds) { try await provider.stream(attempt) }
      }
    }
    var named = trail
    named.model = stream.model
    return Streaming(trail: named, dropped: stream.dropped, stream: stream)
  }

  private func observed<Answer: Sendable>(
    _ provider: any Provider, _ attempt: Attempt, isStream: Bool, usage: (Answer) -> Usage?,
    _ call: () async throws -> Answer
  ) async throws -> Answer {
    let started = monotonicMilliseconds()
    func report(_ failure: ProviderFailure?, _ usage: Usage?) {
      observe(
        AttemptReport(
          provider: provider.name, model: attempt.target.model,
          seconds: Double(monotonicMilliseconds() - started) / 1000, failure: failure,
          usage: usage, isStream: isStream))
    }
    do {
      let answer = try await call()
      report(nil, usage(answer))
      return answer
    } catch {
      report(error as? ProviderFailure ?? .cancelled, nil)
      throw error
    }
  }

  /// Nano-dollars for what was used, by the model asked for; zero without a price.
  package func cost(of usage: Usage?, model: String) -> Money {
    guard let usage, let price = configuration.prices[model] else { return .zero }
    return Money.of(tokens: usage.inputTokens, perMillion: price.input)
      .adding(Money.of(tokens: usage.outputTokens, perMillion: price.output))
  }

  /// The most a request can cost, at the dearest of the route's targets.
  package enum Bound: Sendable, Equatable {
    case amount(Money)
    /// A target without a price; a price of 0 is one.
    case unknownPrice(model: String)
  }

  /// A token is at least one byte, so the request's bytes bound its input; `max_tokens` bounds the
  /// output.
  package func bound(of request: ChatRequest, route: GatewayConfiguration.Route) -> Bound {
    let input = ["messages", "system", "tools"].reduce(0) { $0 + request.size(of: $1) }
    var dearest = Money.zero
    for target in route.targets {
      guard let price = configuration.prices[target.model] else {
        return .unknownPrice(model: target.model)
      }
      let cost = Money.of(tokens: input, perMillion: price.input)
        .adding(Money.of(tokens: request.outputBound(target), perMillion: price.output))
      dearest = max(dearest, cost)
    }
    return .amount(dearest)
  }

  /// Every provider's model that has been called, by name.
  package func statistics() -> [TargetStatus] {
    let now = monotonicMilliseconds()
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

  // MARK: The chain

  private func chain<Answer: Sendable>(
    _ request: ChatRequest, _ route: GatewayConfiguration.Route,
    _ call: @Sendable (any Provider, Attempt) async throws -> Answer
  ) async throws -> (Answer, Trail) {
    let started = monotonicMilliseconds()
    let deadline = started + Int(route.deadline.milliseconds)
    var attempts = 0
    var last = ProviderFailure.timeout
    var mayHaveCost = false
    targets: for (index, target) in route.targets.enumerated() {
      guard let provider = providers[target.provider] else { continue }
      for isRetry in [false, true] {
        let left = Double(deadline - monotonicMilliseconds()) / 1000
        guard left > 0, attempts < Self.triesMax else { break targets }
        if isRetry {
          // A retry must leave room for the targets that have not been asked yet.
          let untried = route.targets.count - index - 1
          guard Self.triesMax - attempts > untried, allowsRetry(provider),
            await pause(after: last, left)
          else { break }
        }
        guard admit(provider, target.model) else {
          if attempts == 0 { last = .breakerOpen }
          continue targets
        }
        attempts += 1
        let attempt = Attempt(
          request: request, target: target, seconds: min(left, target.timeout?.seconds ?? left))
        do {
          let answer = try await counted(provider, target.model) {
            try await call(provider, attempt)
          }
          let trail = Trail(
            provider: provider.name, model: target.model, target: target.model, attempts: attempts,
            isFallbackModel: index > 0)
          return (answer, trail)
        } catch {
          last = error as? ProviderFailure ?? .cancelled
          if Task.isCancelled { last = .cancelled }
          mayHaveCost = mayHaveCost || last.mayHaveCost
          guard last.allowsFallback else {
            throw Exhausted(
              last: last, attempts: attempts, deadlinePassed: false, mayHaveCost: mayHaveCost)
          }
          guard last.isTransient else { continue targets }
        }
      }
    }
    throw Exhausted(
      last: last, attempts: attempts, deadlinePassed: monotonicMilliseconds() >= deadline,
      mayHaveCost: mayHaveCost)
  }

  /// Waits full jitter (or what the provider asked for); false when there is no time for it.
  private func pause(after failure: ProviderFailure, _ left: Double) async -> Bool {
    var seconds = jitter() * 0.25
    if case .throttled(let retryAfter) = failure {
      guard let retryAfter else { return false }
      seconds = max(seconds, retryAfter)
    }
    guard seconds <= Self.waitMax, seconds < left / 2 else { return false }
    do { try await Task.sleep(for: .seconds(seconds)) } catch { return false }
    return true
  }

  // MARK: Health of targets

  private func allowsRetry(_ provider: any Provider) -> Bool {
    state.withLock { $0.retries[provider.name, default: RetryBudget()].allowsRetry }
  }

  /// Whether the breaker of a provider's model lets a call through.
  private func admit(_ provider: any Provider, _ model: String) -> Bool {
    let now = monotonicMilliseconds()
    return state.withLock {
      $0.targets[provider.name, default: [:]][model, default: Target()].breaker.admit(now)
    }
  }

  private func counted<Answer: Sendable>(
    _ provider: any Provider, _ model: String, _ call: () async throws -> Answer
  ) async throws -> Answer {
    let limit = configuration.providers[provider.name]?.maxInFlight ?? Int.max
    let started = monotonicMilliseconds()
    let admitted = state.withLock { state in
      guard state.inFlight(provider.name) < limit else {
        state.targets[provider.name]?[model]?.breaker.forget(started)
        return false
      }
      state.targets[provider.name]?[model]?.inFlight += 1
      state.targets[provider.name]?[model]?.requests += 1
      return true
    }
    guard admitted else { throw ProviderFailure.overloaded }
    do {
      let answer = try await call()
      settle(provider, model, started, nil)
      return answer
    } catch {
      settle(provider, model, started, error as? ProviderFailure ?? .cancelled)
      throw error
    }
  }

  private func settle(
    _ provider: any Provider, _ model: String, _ started: Int, _ failure: ProviderFailure?
  ) {
    let now = monotonicMilliseconds()
    state.withLock { state in
      var target = state.targets[provider.name]?[model] ?? Target()
      var retries = state.retries[provider.name] ?? RetryBudget()
      target.inFlight -= 1
      switch failure {
      case nil:
        target.latencies.record(Double(now - started))
        target.breaker.succeed(now)
        retries.succeed()
      case let failure? where failure.isProviderFault:
        target.failures += 1
        target.breaker.fail(now, jitter: jitter())
        retries.fail()
      case let failure?:
        if failure != .cancelled { target.failures += 1 }
        target.breaker.forget(now)
      }
      state.targets[provider.name, default: [:]][model] = target
      state.retries[provider.name] = retries
    }
  }

  /// A stream that had begun broke off: the breaker hears of it although the call had succeeded.
  package func streamBroke(_ trail: Trail) {
    let now = monotonicMilliseconds()
    state.withLock {
      $0.targets[trail.provider]?[trail.target]?.failures += 1
      $0.targets[trail.provider]?[trail.target]?.breaker.fail(now, jitter: jitter())
    }
  }
}

/// Runs `body`, cancelling it with `ProviderFailure.timeout` after so many seconds.
private func withTimeLimit<T: Sendable>(
  _ seconds: Double, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
  try await withThrowingTaskGroup(of: T.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: .seconds(seconds))
      throw ProviderFailure.timeout
    }
    defer { group.cancelAll() }
    guard let first = try await group.next() else { throw ProviderFailure.cancelled }
    return first
  }
}

package import DocumentKit
package import HTTPKit
package import PlatformKit
package import RolloutCore

/// Sends an eligible request along its route until a target answers or the deadline ends it.
package final class Gateway: Sendable {
  /// Tries per request over all targets.
  package static let triesMax = 3

  /// Who answered, and how many tries it took.
  package struct Trail: Sendable, Equatable {
    package var provider: String
    /// As the provider names it.
    package var model: String
    /// As the route names it: what prices and breakers go by.
    package var target: String
    package var attempts: Int
    /// The target that should have answered; nil when the first one did.
    package var insteadOf: ProviderModel?
    /// Whether a target after the first answered.
    package var isFallbackModel: Bool { insteadOf != nil }
  }

  package struct Completion: Sendable {
    /// In the dialect of the provider that answered.
    package var body: RawObject
    package var dialect: ChatDialect
    /// Parameters that its dialect has no counterpart for, or that were clamped.
    package var dropped: [String]
    /// Nil where the provider did not say all of it, and `cost` with it.
    package var usage: Usage?
    package var cost: Money?
    package var trail: Trail
  }

  /// A streamed answer whose first content is there.
  package struct Streaming: Sendable {
    package var trail: Trail
    /// Parameters that the provider's dialect has no counterpart for.
    package var dropped: [String]
    let stream: any ProviderStream
    let permit: ProviderGate.Permit

    package var dialect: ChatDialect { stream.dialect }

    /// The next chunk or event in its dialect, as it came; nil at the proper end. Throws
    /// `ProviderFailure`.
    package func next() async throws -> RawValue? { try await stream.next() }

    /// Makes room for the next call; a stream that nobody holds any more does so by itself.
    package func end(_ usage: Usage?) { permit.leave(usedTokens: usage?.tokens) }
  }

  /// No target answered.
  package struct Exhausted: Error, Sendable, Equatable {
    package var last: ProviderFailure
    package var attempts: Int
    package var deadlinePassed: Bool
    /// Who failed last; the route's first target where nobody was asked.
    package var target: ProviderModel?
    /// Whether a target may have worked on the request, and will bill it.
    package var mayHaveCost = false
    /// Where breakers kept the call from every target: milliseconds since the last of the calls
    /// began that had opened them.
    package var keptAwayFor: Int?
  }

  package let configuration: GatewayConfiguration
  let providers: [String: any Provider]
  let gates: [String: ProviderGate]
  private let board: TargetBoard
  private let room: CallRoom
  private let client: HTTPClient
  private let jitter: @Sendable () -> Double
  let clock: any GatewayClock
  private let starter: TaskStarter
  private let observe: @Sendable (AttemptReport) -> Void

  /// How one attempt at one target went, for metrics.
  package struct AttemptReport: Sendable {
    package var provider: String
    package var model: String
    /// The name of the key that a failed one went out with; nil for a provider that needs none.
    package var key: String?
    package var seconds: Double
    /// nil when it answered.
    package var failure: ProviderFailure?
    /// nil for a stream, which has only begun to answer.
    package var usage: Usage?
    package var isStream: Bool
  }

  /// `jitter` gives numbers in 0..<1 for the pause before a retry. What `previous` knows of entries
  /// that have not changed is kept.
  package init(
    _ configuration: GatewayConfiguration, client: HTTPClient, clock: any GatewayClock,
    starter: TaskStarter = .system, after previous: Gateway? = nil,
    jitter: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) },
    observe: @escaping @Sendable (AttemptReport) -> Void = { _ in }
  ) {
    self.observe = observe
    self.configuration = configuration
    self.jitter = jitter
    self.clock = clock
    self.starter = starter
    self.client = client
    let board = previous?.board ?? TargetBoard(clock: clock, jitter: jitter)
    self.board = board
    let room = previous?.room ?? CallRoom { client.callsMax }
    self.room = room
    let before = previous?.configuration
    providers = configuration.providers.mapValues { settings -> any Provider in
      if let known = previous?.providers[settings.name],
        before?.providers[settings.name] == settings
      {
        return known
      }
      board.renew(settings.name)
      switch settings.kind {
      case .openai: return OpenAIProvider(settings: settings, client: client, clock: clock)
      case .anthropic: return AnthropicProvider(settings: settings, client: client, clock: clock)
      case .echo: return EchoProvider(settings, clock: clock)
      }
    }
    gates = configuration.providers.mapValues { settings in
      let known = previous?.gates[settings.name]
      if let known, before?.providers[settings.name] == settings,
        before?.queue == configuration.queue
      {
        return known
      }
      return ProviderGate(
        settings, configuration.queue, clock: clock, starter: starter,
        room: settings.kind == .echo ? nil : room, after: known)
    }
  }

  /// One of another configuration that goes on where this one is. Calls under way stay with this
  /// one, and count there and here.
  package func reconfigured(_ configuration: GatewayConfiguration) -> Gateway {
    Gateway(
      configuration, client: client, clock: clock, starter: starter, after: self, jitter: jitter,
      observe: observe)
  }

  /// Bytes of what a provider calls its model that go into fields, rows and figures.
  private static let modelSizeMax = 128

  /// Completes a chat. Throws `Exhausted`.
  package func complete(
    _ request: ChatRequest, route: GatewayConfiguration.Route, for caller: Caller
  ) async throws -> Completion {
    let (answer, trail, permit) = try await chain(request, route, caller).run { provider, attempt in
      try await observed(provider, attempt, isStream: false, usage: \.usage) {
        try await provider.complete(attempt)
      }
    }
    permit.leave(usedTokens: answer.usage?.tokens)
    var named = trail
    named.model = answer.model.clipped(toBytes: Self.modelSizeMax)
    return Completion(
      body: answer.body, dialect: answer.dialect, dropped: answer.dropped, usage: answer.usage,
      cost: cost(of: answer.usage, model: trail.target), trail: named)
  }

  /// Starts a streamed chat; returns with the first content. Throws `Exhausted`.
  package func stream(
    _ request: ChatRequest, route: GatewayConfiguration.Route, for caller: Caller
  ) async throws -> Streaming {
    let (stream, trail, permit) = try await chain(request, route, caller).run { provider, attempt in
      let limit = attempt.target.firstContent.map { min($0.seconds, attempt.seconds) }
      return try await observed(provider, attempt, isStream: true, usage: { _ in nil }) {
        try await withTimeLimit(limit ?? attempt.seconds, clock) {
          try await provider.stream(attempt)
        }
      }
    }
    var named = trail
    named.model = stream.model.clipped(toBytes: Self.modelSizeMax)
    return Streaming(trail: named, dropped: stream.dropped, stream: stream, permit: permit)
  }

  private func chain(
    _ request: ChatRequest, _ route: GatewayConfiguration.Route, _ caller: Caller
  ) -> Chain {
    Chain(
      request: request, caller: caller, route: route, providers: providers, gates: gates,
      board: board, jitter: jitter, clock: clock)
  }

  private func observed<Answer: Sendable>(
    _ provider: any Provider, _ attempt: Attempt, isStream: Bool, usage: (Answer) -> Usage?,
    _ call: () async throws -> Answer
  ) async throws -> Answer {
    let started = clock.monotonic
    func report(_ failure: ProviderFailure?, _ usage: Usage?) {
      observe(
        AttemptReport(
          provider: provider.name, model: attempt.target.model,
          key: failure == nil ? nil : keyName(provider.name, attempt.key),
          seconds: clock.monotonic.seconds(since: started), failure: failure,
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

  private func keyName(_ provider: String, _ key: Int) -> String? {
    let keys = configuration.providers[provider]?.keys ?? []
    return keys.indices.contains(key) ? keys[key].name : nil
  }

  // MARK: Money

  /// Nano-dollars for what was used, by the model asked for; zero without a price, nil where nobody
  /// knows what was used.
  package func cost(of usage: Usage?, model: String) -> Money? {
    guard let usage else { return nil }
    guard let price = configuration.prices[model] else { return .zero }
    return Money.of(tokens: usage.inputTokens, perMillion: price.input)
      .adding(Money.of(tokens: usage.outputTokens, perMillion: price.output))
  }

  /// The most a request can cost, at the dearest of the route's targets.
  package enum Bound: Sendable, Equatable {
    case amount(Money)
    /// So much at the targets' own prices; `member` of the request may have it answered at others.
    case open(Money, member: String)
    /// A target without a price; a price of 0 is one.
    case unknownPrice(model: String)
    /// A key stands twice in what the model is to read.
    case ambiguous
  }

  /// A token is at least one byte, so the request's bytes bound its input, but for images and files
  /// that are elsewhere; the largest of its bounds on an answer bounds the output. O(bytes).
  package func bound(of request: ChatRequest, route: GatewayConfiguration.Route) -> Bound {
    var dearest = Money.zero
    for target in route.targets {
      guard let price = configuration.prices[target.model] else {
        return .unknownPrice(model: target.model)
      }
      guard let input = request.inputBound(imageTokens: price.imageTokens) else {
        return .ambiguous
      }
      let cost = Money.of(tokens: input, perMillion: price.input)
        .adding(Money.of(tokens: request.outputBound(target.params), perMillion: price.output))
      dearest = max(dearest, cost)
    }
    return request.terms.map { .open(dearest, member: $0) } ?? .amount(dearest)
  }

  // MARK: How they do

  /// Every provider's model that has been called, by name.
  package func statistics() -> [TargetStatus] { board.statuses }

  /// Calls under way and waiting, by provider.
  package func gateStatuses() -> [String: ProviderGate.Status] { gates.mapValues(\.status) }

  /// A stream that had begun broke off: the breaker hears of it although the call had succeeded.
  /// `began` is when it was asked for.
  package func streamBroke(_ trail: Trail, began: MonotonicInstant) {
    board.streamBroke(provider: trail.provider, model: trail.target, began: began)
  }
}

/// Runs `body`, cancelling it with `ProviderFailure.timeout` after so many seconds.
private func withTimeLimit<T: Sendable>(
  _ seconds: Double, _ clock: any MonotonicClock, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
  try await withThrowingTaskGroup(of: T.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await clock.sleep(milliseconds: Int(seconds * 1000))
      throw ProviderFailure.timeout
    }
    defer { group.cancelAll() }
    guard let first = try await group.next() else { throw ProviderFailure.cancelled }
    return first
  }
}

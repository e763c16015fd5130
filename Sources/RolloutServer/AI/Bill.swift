import DocumentKit
import PlatformKit
import RolloutCore
import RolloutEvaluation
import RolloutGateway

/// What a call on its way to a provider owes: the monitor an outcome, the purse what it cost, the
/// metrics their count, cache and sample its answer.
///
/// Not copyable, and each of its ends consumes it, so that no call can be settled twice. One that
/// is dropped is settled as a call that nobody waited for: whatever becomes of a call, it does not
/// seem to run for ever, and nothing stays reserved for it.
struct Bill: ~Copyable {
  var call: AICall
  /// Where its answer may be kept for those who ask the same.
  var place: AnswerCache.Place?
  /// Whether the call is one of the sample that people look at.
  let isCaptured: Bool
  private let service: AIService
  /// The request among those that the monitor sees running.
  private let running: Int?
  /// What it may cost; nil where no budget concerns it.
  private var reservation: Purse.Reservation?
  /// The stream that a provider answers with, which takes up room there and is counted at its end.
  private var streaming: Gateway.Streaming?
  private var isSettled = false

  /// The call runs from now on, as the monitor sees it.
  init(_ call: AICall, _ service: AIService) {
    self.call = call
    self.service = service
    isCaptured = service.captures.wants(call)
    running = service.ledger.begin(
      call.feature, user: call.user.map { Outcome.hash(user: $0) }, at: service.clock.steady)
  }

  deinit {
    guard !isSettled else { return }
    record(.excluded, isGivenUp: true)
    endStream(nil, .cancelled)
    guard let reservation else { return }
    Task { [purse = service.purse, provider = streaming?.trail.provider] in
      await purse.settle(reservation, cost: nil, provider: provider)
    }
  }

  /// Bytes of an answer's text that somebody wants to have.
  var textSizeMax: Int { isCaptured || place != nil ? AnswerCache.answerSizeMax : 0 }

  /// Reserves what the call may cost, with a bound on its answer where there is none.
  mutating func reserveCost(on route: GatewayConfiguration.Route) async throws(Purse.Refusal) {
    let spender = Spender(
      request: call.requestID, plan: call.compiled.plan, app: call.app, user: call.user,
      providers: route.targets.map(\.provider))
    let (gateway, request) = (service.gateway, call.request)
    reservation = try await service.purse.reserve(
      { gateway.bound(of: request, route: route) }, for: spender)
    if reservation != nil { call.request.boundOutput() }
  }

  /// A provider has begun to answer.
  mutating func open(_ streaming: Gateway.Streaming) { self.streaming = streaming }

  // MARK: Ends

  /// A limit or a budget keeps the call from every provider.
  consuming func turnAway() {
    isSettled = true
    record(.excluded)
  }

  /// An answer that was given before does.
  consuming func serveCached() {
    isSettled = true
    record(.ok, isFromCache: true)
  }

  /// What a provider made of the call.
  struct Served: Sendable {
    var trail: Gateway.Trail
    /// nil where the provider did not say, and `cost` with it.
    var usage: Usage?
    var cost: Money?
    /// What may be kept for others: text that is whole, and nothing else.
    var text: String?
    /// All of it, in the provider's dialect, where it is more than text.
    var json: [UInt8]?
  }

  /// A provider has answered, to the end. What is counted here is counted before the caller reads
  /// that end.
  consuming func serve(_ served: Served) async {
    isSettled = true
    endStream(served.usage, nil)
    await service.purse.settle(reservation, cost: served.cost, provider: served.trail.provider)
    record(
      served.trail.isFallbackModel ? .degradedModel : .ok, served.usage, served.cost,
      insteadOf: served.trail.insteadOf)
    if let place, let text = served.text, !text.isEmpty {
      service.cache.keep(
        place.answer(text, by: served.trail, at: service.clock.steady), at: place.key,
        feature: call.feature)
    }
    guard isCaptured else { return }
    let answer =
      served.text.map(CaptureSampler.Answer.text) ?? served.json.map(CaptureSampler.Answer.json)
    guard let answer else { return }
    service.captures.keep(call, answer, served.trail, served.usage, at: service.clock.now)
  }

  /// No target has answered, and this is what the user met with instead. Nobody `isBlamed` for what
  /// was the caller's fault, or was made good.
  consuming func fail(
    _ exhausted: Gateway.Exhausted, _ result: Outcome.Result, isBlamed: Bool
  ) async {
    isSettled = true
    await service.purse.settle(reservation, cost: exhausted.owed, provider: nil)
    record(
      result, origin: isBlamed ? exhausted.origin : nil,
      status: isBlamed ? exhausted.last.status : nil)
  }

  /// The stream broke off. What it cost nobody knows: it would have told at its end.
  consuming func breakOff(_ failure: ProviderFailure, _ usage: Usage?) async {
    isSettled = true
    endStream(usage, failure)
    let target = streaming.map {
      ProviderModel(provider: $0.trail.provider, model: $0.trail.target)
    }
    record(
      .failed,
      origin: target.map {
        FailureOrigin($0, kind: failure.word, isThrottled: failure.isThrottle)
      }, status: failure.status)
    await service.purse.settle(reservation, cost: nil, provider: target?.provider)
  }

  /// Whoever asked did not wait for the answer; nil is a cost that nobody knows.
  consuming func giveUp(cost: Money?, _ usage: Usage? = nil) async {
    isSettled = true
    endStream(usage, .cancelled)
    record(.excluded, isGivenUp: true)
    await service.purse.settle(reservation, cost: cost, provider: streaming?.trail.provider)
  }

  /// The provider's part is over: others may take its room. What is not streamed the gateway counts
  /// itself.
  private func endStream(_ usage: Usage?, _ failure: ProviderFailure?) {
    guard let streaming else { return }
    streaming.end(usage)
    if let failure, failure != .cancelled {
      service.gateway.streamBroke(streaming.trail, began: call.started)
    }
    service.metrics.ended(
      streaming.trail.provider, streaming.trail.model,
      seconds: service.clock.monotonic.seconds(since: call.started), failure: failure?.word,
      usage: usage)
  }

  private func record(
    _ result: Outcome.Result, _ usage: Usage? = nil, _ cost: Money? = nil,
    origin: FailureOrigin? = nil, insteadOf: ProviderModel? = nil, status: Int? = nil,
    isFromCache: Bool = false, isGivenUp: Bool = false
  ) {
    var outcome = Outcome(
      result: result, arm: .treatment, user: call.user.map { Outcome.hash(user: $0) },
      at: service.clock.steady, beganAt: call.arrivedAt.steady,
      latency: Double(service.clock.monotonic.milliseconds(since: call.started)),
      inputTokens: usage?.inputTokens, outputTokens: usage?.outputTokens, cost: cost)
    outcome.isDrawn = call.decision?.reason == .split
    outcome.origin = origin
    outcome.isFromCache = isFromCache
    outcome.isGivenUp = isGivenUp
    let failure = FailureNote(
      kind: origin?.kind ?? result.rawValue, target: origin?.target ?? insteadOf,
      requestID: call.requestID,
      status: status)
    service.ledger.end(call.feature, running, outcome, failure: failure)
  }
}

extension Gateway.Exhausted {
  /// What a call without an answer costs: nothing when no target can have worked on it, and nobody
  /// knows otherwise.
  var owed: Money? { mayHaveCost ? nil : .zero }
}

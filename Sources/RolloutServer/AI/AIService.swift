import DocumentKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutGateway
import RolloutStore

/// The AI path: a provider's answer for users who have the feature, the plan's fallback for those
/// who have not, and an outcome for the monitor either way. Knows of no wire: endpoints and jobs
/// make requests of what comes in, and write down the replies.
struct AIService: Sendable {
  var gateway: Gateway
  let box: SnapshotBox
  let ledger: OutcomeLedger
  let clock: any ServerClock
  /// Decisions made here, outside the loops.
  let evaluations: EvaluationCounters
  let metrics: AIMetrics
  var purse: Purse
  var limits: RequestLimits
  let cache: AnswerCache
  var captures: CaptureSampler

  /// The same of another configuration, for the requests to come.
  func reconfigured(_ configuration: GatewayConfiguration, _ gateway: Gateway) -> AIService {
    var next = self
    next.gateway = gateway
    next.purse.budgets = configuration.budgets
    next.limits = RequestLimits(configuration, after: limits)
    next.captures.settings = configuration.capture
    return next
  }

  /// The plan of a feature. Throws for one that nobody knows.
  func plan(_ feature: String) throws(Problem) -> CompiledPlan {
    guard let plan = box.snapshot.plan(feature) else {
      throw Problem(.notFound, "There is no feature \(quoted(feature)).")
    }
    return plan
  }

  /// Answers a request, whole or as a stream whose first content is there. Cancelling the task
  /// leaves the provider.
  func reply(to request: AIRequest) async -> AIReply {
    let call = decide(request)
    guard call.isEnabled else { return .whole(call, outside(call)) }
    guard let route = call.route(gateway.configuration) else {
      return .whole(call, .none(.noRoute))
    }
    var bill = Bill(call, self)
    do throws(RequestLimits.Refusal) {
      try limits.check(&bill.call, now: clock.monotonic)
    } catch {
      metrics.limited(by: error.name)
      return .whole(turnedAway(bill), .none(.limited(error)))
    }
    bill.place = AnswerCache.place(bill.call, route)
    return await serve(bill, route)
  }

  /// The same for a request that wants no stream.
  func answer(to request: AIRequest) async -> (AICall, AIAnswer) {
    switch await reply(to: request) {
    case .whole(let call, let answer): return (call, answer)
    case .stream: preconditionFailure("a stream that nobody asked for")
    }
  }

  private func decide(_ request: AIRequest) -> AICall {
    let decision = try? request.compiled.decide(request.context)
    evaluations.counter(request.compiled.plan.feature).countShared(
      enabled: decision?.enabled == true, for: request.account)
    return AICall(request, decision, by: clock)
  }

  private func outside(_ call: AICall) -> AIAnswer {
    // Only where a missing id decided: others are outside whoever they are.
    let why = call.decision == nil ? NoAnswer.userRequired : .notInRollout
    return fallback(call, why) ?? .none(why)
  }

  /// The plan's own words in place of an answer; nil where it has none.
  private func fallback(_ call: AICall, _ why: NoAnswer, attempts: Int = 0) -> AIAnswer? {
    guard let text = call.compiled.plan.definition.fallbackContent, let reason = why.reason else {
      return nil
    }
    return .fallback(text: text, reason: reason, attempts: attempts)
  }

  private func turnedAway(_ bill: consuming Bill) -> AICall {
    let call = bill.call
    bill.turnAway()
    return call
  }

  // MARK: With a bill

  /// From what was answered before, or from the providers.
  ///
  /// A call for a whole answer waits for another that asks the same. A stream neither waits (its
  /// first words may be there before the other's last) nor is waited for: it takes as long as its
  /// reader does.
  private func serve(
    _ bill: consuming Bill, _ route: GatewayConfiguration.Route
  ) async -> AIReply {
    guard let key = bill.place?.key else { return await ask(bill, route) }
    if let hit = cache.find(key, now: clock.steady) { return cached(bill, hit) }
    guard !bill.call.isStreamed else { return await ask(bill, route) }
    let (leads, shared) = await cache.board(key)
    guard leads || bill.call.isInForce() else {
      let call = bill.call
      await bill.giveUp(cost: .zero)
      return .whole(call, .none(.tokenEnded))
    }
    if let shared { return cached(bill, shared) }
    let reply = await ask(bill, route)
    if leads { cache.land(key, cache.find(key, now: clock.steady)) }
    return reply
  }

  private func cached(_ bill: consuming Bill, _ answer: CachedAnswer) -> AIReply {
    let call = bill.call
    bill.serveCached()
    return .whole(
      call, .cached(answer, isStale: false, age: clock.steady.since(answer.storedAt)))
  }

  /// Asks the providers, within the budgets.
  private func ask(
    _ bill: consuming Bill, _ route: GatewayConfiguration.Route
  ) async -> AIReply {
    do throws(Purse.Refusal) { try await bill.reserveCost(on: route) } catch {
      return overBudget(bill, error)
    }
    do {
      guard bill.call.isStreamed else {
        let completion = try await gateway.complete(
          bill.call.request, route: route, for: bill.call.caller)
        let call = bill.call
        let isKept = bill.textSizeMax > 0
        await bill.serve(
          Bill.Served(
            trail: completion.trail, usage: completion.usage, cost: completion.cost,
            text: isKept ? completion.plainText : nil, json: completion.body.bytes))
        return .whole(call, .provider(completion))
      }
      let streaming = try await gateway.stream(
        bill.call.request, route: route, for: bill.call.caller)
      return .stream(AnswerStream(streaming, bill, self))
    } catch {
      return await unanswered(bill, error)
    }
  }

  /// A budget said no: the plan's fallback, without a provider call.
  private func overBudget(_ bill: consuming Bill, _ refusal: Purse.Refusal) -> AIReply {
    let call = turnedAway(bill)
    let wait: Int? =
      switch refusal {
      case .spent(_, _, let until):
        until.map { max(1, Int($0.since(clock.now).milliseconds / 1000)) }
      case .unknownPrice, .ambiguous, .open: nil
      case .unavailable: 5
      }
    let why = NoAnswer.overBudget(refusal, retryAfter: wait)
    switch refusal {
    // Who asks for what cannot be held hears so.
    case .ambiguous, .open: return .whole(call, .none(why))
    case .spent, .unknownPrice, .unavailable:
      return .whole(call, fallback(call, why) ?? .none(why))
    }
  }

  /// No target answered: an older answer, the plan's fallback, or none.
  private func unanswered(_ bill: consuming Bill, _ error: any Error) async -> AIReply {
    let call = bill.call
    guard let exhausted = error as? Gateway.Exhausted, exhausted.last != .cancelled else {
      await bill.giveUp(cost: (error as? Gateway.Exhausted).flatMap(\.owed))
      return .whole(call, .none(call.isInForce() ? .givenUp : .tokenEnded))
    }
    if case .callerError(_, let message) = exhausted.last {
      await bill.fail(exhausted, .excluded, isBlamed: false)
      return .whole(call, .none(.callerError(message)))
    }
    let now = clock.steady
    if let stale = bill.place.flatMap({ cache.find($0.key, now: now, stale: true) }) {
      await bill.fail(exhausted, .degradedCache, isBlamed: false)
      return .whole(call, .cached(stale, isStale: true, age: now.since(stale.storedAt)))
    }
    let why = NoAnswer.exhausted(exhausted)
    let fallback = fallback(call, why, attempts: exhausted.attempts)
    // A job waits for room; nobody is kept waiting who would call that a failure.
    let isPatient = call.isBatch && exhausted.reason == .limit
    let result = fallback == nil ? Outcome.Result.failed : .degradedFallback
    await bill.fail(exhausted, isPatient ? .excluded : result, isBlamed: true)
    return .whole(call, fallback ?? .none(why))
  }
}

extension Gateway.Completion {
  /// The text of a whole answer that is nothing but text; nil for all else.
  fileprivate var plainText: String? {
    let choice = body["choices"]?.array?.first
    switch dialect {
    case .openai:
      guard choice?["finish_reason"]?.string == "stop",
        choice?["message"]?["tool_calls"]?.array == nil
      else { return nil }
      return choice?["message"]?["content"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    case .anthropic:
      let blocks = body["content"]?.array ?? []
      guard ["end_turn", "stop_sequence"].contains(body["stop_reason"]?.string),
        !blocks.isEmpty, blocks.allSatisfy({ $0["type"]?.string == "text" })
      else { return nil }
      return blocks.compactMap { $0["text"]?.string }.joined()
    }
  }
}

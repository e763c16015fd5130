import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway
import RolloutStore

/// The AI path: OpenAI chat completions for users who have the feature, the plan's fallback for
/// those who have not, and an outcome for the monitor either way.
struct ChatEndpoint: Sendable {
  /// Bytes of a chat request: long prompts and pictures.
  static let bodySizeMax = 32 << 20

  var gateway: Gateway
  let box: SnapshotBox
  let ledger: OutcomeLedger
  let clock: any SteadyClock
  let metrics: MetricsEndpoint
  let ai: AIMetrics
  var purse: Purse
  var limits: RequestLimits
  let cache: AnswerCache
  var captures: CaptureSampler

  /// Each request is answered by the endpoint that is current when it comes, to its end.
  static func routes(_ current: Current<ChatEndpoint>) -> [Route] {
    func route(
      _ path: String,
      _ answer: @escaping @Sendable (ChatEndpoint, APIRequest, Exchange) async -> Void
    ) -> Route {
      Route(
        .post, path, .scopes([.evaluate]), featureLimit: .path, bodySizeMax: bodySizeMax,
        .exchange { await answer(current.value, $0, $1) })
    }
    return [
      route("/features/{feature}/v1/chat/completions") { await $0.serve($1, .openai, $2) },
      route("/features/{feature}/v1/messages") { await $0.serve($1, .anthropic, $2) },
      route("/v1/features/{feature}/complete") { await $0.native($1, $2) },
      Route(
        .get, "/features/{feature}/v1/models", .scopes([.evaluate]), featureLimit: .path,
        .task { try await current.value.models($0) }),
      Route(
        .get, "/v1/providers", .scopes([.view]), .task { try await current.value.providers($0) }),
    ]
  }

  /// The same of another configuration, for the requests to come.
  func reconfigured(
    _ configuration: GatewayConfiguration, _ gateway: Gateway
  ) -> ChatEndpoint {
    var next = self
    next.gateway = gateway
    next.purse.budgets = configuration.budgets
    next.limits = RequestLimits(configuration, after: limits)
    next.captures.settings = configuration.capture
    return next
  }

  // MARK: Small reads

  private func models(_ request: APIRequest) async throws -> HTTPResponse {
    let plan = try plan(request)
    let route = plan.plan.definition.route.flatMap { gateway.configuration.routes[$0] }
    var names = [plan.plan.feature]
    for target in route?.targets ?? [] where !names.contains(target.model) {
      names.append(target.model)
    }
    let created = plan.plan.createdAt.milliseconds / 1000
    return .json(
      .object([
        "object": .string("list"),
        "data": .array(
          names.map { name in
            .object([
              "id": .string(name), "object": .string("model"), "created": .int(created),
              "owned_by": .string("rollout"),
            ])
          }),
      ]))
  }

  private func providers(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let all = gateway.statistics()
    let gates = gateway.gateStatuses()
    let settings = gateway.configuration.providers.values.sorted { $0.name < $1.name }
    let entries = settings.map { provider in
      let gate = gates[provider.name]
      let rejected = (gate?.rejected ?? [:]).map { ($0.key.rawValue, $0.value) }
      return ProviderList.Entry(
        name: provider.name, kind: provider.kind.rawValue,
        keys: (gate?.keys ?? []).map(ProviderList.Key.init),
        models: all.filter { $0.provider == provider.name }.map(ProviderList.Model.init),
        inFlight: gate?.inFlight ?? 0, queued: gate?.queued ?? 0,
        rejected: Dictionary(uniqueKeysWithValues: rejected),
        requestsPerMinute: gate?.requestsPerMinute, tokensPerMinute: gate?.tokensPerMinute)
    }
    return try .json(ProviderList(providers: entries))
  }

  func plan(_ request: APIRequest) throws(Problem) -> CompiledPlan {
    let feature = request.parameters[0]
    guard let plan = box.snapshot.plan(feature) else {
      throw Problem(.notFound, "There is no feature \(quoted(feature)).")
    }
    return plan
  }

  // MARK: Chat completions

  private func serve(
    _ request: APIRequest, _ dialect: ChatDialect, _ exchange: Exchange
  ) async {
    do throws(Problem) {
      let chat = try Self.chat(request, dialect)
      guard chat.hasMessages else {
        throw Problem(.badRequest, "messages must be a list that is not empty.")
      }
      let wantsStream = try Self.wantsStream(chat)
      var call = try self.call(request, chat)
      if let problem = limit(&call) {
        exchange.respond(call.shapes.error(problem, call.headers(.refused("limit"))))
        return
      }
      if wantsStream {
        await stream(call, exchange)
      } else {
        exchange.respond(await complete(call))
      }
    } catch {
      exchange.respond(ChatShapes(dialect: dialect).error(error))
    }
  }

  private static func chat(
    _ request: APIRequest, _ dialect: ChatDialect
  ) throws(Problem) -> ChatRequest {
    let raw = try request.rawObject()
    do throws(DocumentError) { return try ChatRequest(raw, dialect: dialect) } catch {
      throw Problem(.badRequest, error.message)
    }
  }

  private static func wantsStream(_ chat: ChatRequest) throws(Problem) -> Bool {
    guard let value = chat["stream"], !value.isNull else { return false }
    guard let wants = value.bool else {
      throw Problem(.badRequest, "stream must be true or false, not \(value.kind).")
    }
    return wants
  }

  /// Why a limit stops the call; nil when none does. Who gets no provider call is not counted.
  func limit(_ call: inout ChatCall) -> Problem? {
    guard call.running != nil else { return nil }
    let answer = limits.check(call, now: monotonicMilliseconds())
    call.limitHeaders = answer.headers
    call.retryAfter = answer.retryAfter
    if answer.problem != nil {
      record(call, .excluded)
      ai.limited(by: answer.limit)
    }
    return answer.problem
  }

  private func complete(_ call: ChatCall) async -> HTTPResponse {
    switch await answer(call) {
    case .provider(let completion):
      return HTTPResponse(
        status: 200,
        headers: call.headers(
          .provider(completion.trail, completion.cost, dropped: completion.dropped)),
        body: call.shapes.answer(completion, at: clock.now))
    case .fallback(let text, let reason, let attempts):
      return .json(
        call.shapes.made(call, text), headers: call.headers(.fallback(reason, attempts)))
    case .cached(let answer, let isStale):
      return .json(
        call.shapes.made(call, answer.text, model: answer.model),
        headers: headers(call, answer, isStale))
    case .error(let response): return response
    }
  }

  func headers(
    _ call: ChatCall, _ answer: CachedAnswer, _ isStale: Bool
  ) -> [(name: String, value: String)] {
    call.headers(.cache(answer, isStale: isStale, age: clock.steady.since(answer.storedAt)))
  }

  /// How a call that is not streamed ends.
  enum Answer {
    case cached(CachedAnswer, isStale: Bool)
    case provider(Gateway.Completion)
    case fallback(text: String, reason: String, attempts: Int)
    case error(HTTPResponse)
  }

  func answer(_ call: ChatCall) async -> Answer {
    guard call.decision?.enabled == true else { return notInRollout(call) }
    guard let route = call.route(gateway.configuration) else { return noRoute(call) }
    guard let (key, policy) = AnswerCache.key(call, route) else {
      return await ask(call, route, cached: nil)
    }
    if let hit = fresh(call, key) { return hit }
    let (leads, shared) = await cache.board(key)
    if let shared {
      record(call, .ok, isFromCache: true)
      return .cached(shared, isStale: false)
    }
    let answer = await ask(call, route, cached: (key, policy))
    if leads { cache.land(key, cache.find(key, now: clock.steady)) }
    return answer
  }

  /// A fresh answer of the cache.
  func fresh(_ call: ChatCall, _ key: AnswerCache.Key) -> Answer? {
    guard let answer = cache.find(key, now: clock.steady) else { return nil }
    record(call, .ok, isFromCache: true)
    return .cached(answer, isStale: false)
  }

  /// Asks the providers, within the budgets; `cached` is where the answer may be kept.
  private func ask(
    _ call: ChatCall, _ route: GatewayConfiguration.Route,
    cached: (key: AnswerCache.Key, policy: GatewayConfiguration.CachePolicy)?
  ) async -> Answer {
    var call = call
    let hold: Purse.Hold?
    do { hold = try await reserve(&call, route) } catch { return refused(call, error) }
    do {
      let completion = try await gateway.complete(
        call.request, route: route, for: call.caller)
      await purse.settle(hold, cost: completion.cost, provider: completion.trail.provider)
      record(
        call, completion.trail.isFallbackModel ? .degradedModel : .ok, completion.usage,
        completion.cost)
      if let cached, let text = Self.plainText(completion) {
        keep(text, completion.trail, call, cached)
      }
      if captures.wants(call) {
        let text = Self.plainText(completion).map { CaptureSampler.Answer.text($0) }
        captures.keep(
          call, text ?? .json(completion.body.bytes), completion.trail, completion.usage,
          at: clock.now)
      }
      return .provider(completion)
    } catch {
      await purse.settle(hold, cost: owed(error), provider: nil)
      return exhausted(call, error, cached?.key)
    }
  }

  /// The text of a whole answer that is nothing but text; nil for all else.
  private static func plainText(_ completion: Gateway.Completion) -> String? {
    let choice = completion.body["choices"]?.array?.first
    switch completion.dialect {
    case .openai:
      guard choice?["finish_reason"]?.string == "stop",
        choice?["message"]?["tool_calls"]?.array == nil
      else { return nil }
      return choice?["message"]?["content"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    case .anthropic:
      let blocks = completion.body["content"]?.array ?? []
      guard ["end_turn", "stop_sequence"].contains(completion.body["stop_reason"]?.string),
        !blocks.isEmpty, blocks.allSatisfy({ $0["type"]?.string == "text" })
      else { return nil }
      return blocks.compactMap { $0["text"]?.string }.joined()
    }
  }

  func keep(
    _ text: String, _ trail: Gateway.Trail, _ call: ChatCall,
    _ cached: (key: AnswerCache.Key, policy: GatewayConfiguration.CachePolicy)
  ) {
    let now = clock.steady
    let fresh = now + cached.policy.ttl
    cache.keep(
      CachedAnswer(
        text: text, model: trail.model, provider: trail.provider, storedAt: now,
        freshUntil: fresh, staleUntil: fresh + cached.policy.staleIfError),
      at: cached.key, feature: call.plan.plan.feature)
  }

  /// Holds what the call may cost, with a bound on its answer where there is none.
  func reserve(
    _ call: inout ChatCall, _ route: GatewayConfiguration.Route
  ) async throws -> Purse.Hold? {
    let spender = Spender(
      request: call.requestID, plan: call.plan.plan, app: call.app, user: call.user,
      providers: route.targets.map(\.provider))
    let hold = try await purse.reserve(
      { [call, gateway] in gateway.bound(of: call.request, route: route) }, for: spender)
    if hold != nil { call.request.boundOutput() }
    return hold
  }

  /// What a call without an answer costs: nothing when no target can have worked on it, and nobody
  /// knows otherwise.
  func owed(_ error: any Error) -> Money? {
    guard let exhausted = error as? Gateway.Exhausted else { return nil }
    return exhausted.mayHaveCost ? nil : .zero
  }

  /// A budget said no: the plan's fallback, without a provider call.
  func refused(_ call: ChatCall, _ error: any Error) -> Answer {
    record(call, .excluded)
    let reason: String
    let problem: Problem
    var retryAfter: Int?
    switch error {
    case Purse.Refusal.spent(let budget, let bound, let until):
      reason = "budget"
      retryAfter = until.map { max(1, Int($0.since(clock.now).milliseconds / 1000)) }
      problem = Problem(
        .budgetExceeded,
        "The budget \(budget) has no room for this request, which may cost up to \(bound.text): "
          + "ask for fewer tokens, raise the budget"
          + (until.map { ", or wait for its next window at \($0.rfc3339)." } ?? "."))
    case Purse.Refusal.unknownPrice(let model):
      reason = "unknown_price"
      problem = Problem(
        .budgetExceeded, "\(model) has no price, so its cost cannot be held to a budget; add one.")
    default:
      reason = "budget"
      problem = Problem(.unavailable, "The budgets cannot be asked; try again.")
      retryAfter = 5
    }
    if let text = call.plan.plan.definition.fallbackContent {
      return .fallback(text: text, reason: reason, attempts: 0)
    }
    let wait = retryAfter.map { [(name: "Retry-After", value: "\($0)")] } ?? []
    return .error(call.shapes.error(problem, call.headers(.refused(reason)) + wait))
  }

  private func notInRollout(_ call: ChatCall) -> Answer {
    let feature = call.plan.plan.feature
    // Only where a missing id decided: others are outside whoever they are.
    let reason = call.decision == nil ? "user_required" : "not_in_rollout"
    if let text = call.plan.plan.definition.fallbackContent {
      return .fallback(text: text, reason: reason, attempts: 0)
    }
    let problem =
      call.decision == nil
      ? Problem(
        .userRequired,
        "\(feature) is decided by percentage: send the user's id as X-Rollout-User or user.")
      : Problem(.forbidden, "This user does not have \(feature), and its plan has no fallback.")
    return .error(call.shapes.error(problem, call.headers(.refused(reason))))
  }

  private func noRoute(_ call: ChatCall) -> Answer {
    let problem = Problem(
      .invalidTransition,
      "\(call.plan.plan.feature) has no usable AI route; name one of the server's routes in its plan."
    )
    return .error(call.shapes.error(problem, call.headers(.refused("no_route"))))
  }

  /// No target answered: the plan's fallback, or the dialect's own error.
  func exhausted(
    _ call: ChatCall, _ error: any Error, _ key: AnswerCache.Key? = nil
  ) -> Answer {
    guard let exhausted = error as? Gateway.Exhausted, exhausted.last != .cancelled else {
      giveUp(call)
      return .error(HTTPResponse(status: 502))
    }
    if case .callerError(_, let message) = exhausted.last {
      record(call, .excluded)
      let problem = Problem(.badRequest, message)
      return .error(call.shapes.error(problem, call.headers(.refused("caller_error"))))
    }
    if let stale = key.flatMap({ cache.find($0, now: clock.steady, stale: true) }) {
      record(call, .degradedCache)
      return .cached(stale, isStale: true)
    }
    // A job waits for room; nobody is kept waiting who would call that a failure.
    let isPatient = call.isBatch && exhausted.reason == "limit"
    guard let text = call.plan.plan.definition.fallbackContent else {
      record(
        call, isPatient ? .excluded : .failed, origin: exhausted.origin,
        status: exhausted.last.status)
      return .error(call.shapes.failure(exhausted, call))
    }
    record(
      call, isPatient ? .excluded : .degradedFallback, origin: exhausted.origin,
      status: exhausted.last.status)
    return .fallback(text: text, reason: exhausted.reason, attempts: exhausted.attempts)
  }

  func record(
    _ call: ChatCall, _ result: Outcome.Result, _ usage: Usage? = nil, _ cost: Money? = nil,
    origin: FailureOrigin? = nil, status: Int? = nil, isFromCache: Bool = false,
    isGivenUp: Bool = false
  ) {
    var outcome = Outcome(
      result: result, arm: .treatment, user: call.user.map { Outcome.hash(user: $0) },
      at: clock.steady, beganAt: call.arrivedAt.steady,
      latency: Double(monotonicMilliseconds() - call.started),
      inputTokens: usage?.inputTokens, outputTokens: usage?.outputTokens,
      cost: cost)
    outcome.isDrawn = call.decision?.reason == .split
    outcome.origin = origin
    outcome.isFromCache = isFromCache
    outcome.isGivenUp = isGivenUp
    let failure = FailureNote(
      kind: origin?.kind ?? result.rawValue, target: origin?.target, requestID: call.requestID,
      status: status)
    ledger.end(call.plan.plan.feature, call.running, outcome, failure: failure)
  }

  /// Whoever asked did not wait for the answer.
  func giveUp(_ call: ChatCall) { record(call, .excluded, isGivenUp: true) }
}

extension Gateway.Exhausted {
  /// Whose failure it was, for attribution.
  var origin: FailureOrigin? {
    target.map {
      FailureOrigin(
        $0, kind: last.word, isThrottled: last.isThrottle,
        isRefused: last == .credentialRefused)
    }
  }

  /// One word for `x-rollout-reason`.
  var reason: String {
    switch last {
    case .breakerOpen: "breaker_open"
    case .limited: "limit"
    default: "all_targets_failed"
    }
  }
}

extension ProviderList.Key {
  fileprivate init(_ key: KeyStatus) {
    self.init(
      name: key.name, state: key.state.rawValue, inFlight: key.inFlight, requests: key.requests)
  }
}

extension ProviderList.Model {
  fileprivate init(_ target: TargetStatus) {
    self.init(
      model: target.model, breaker: target.breaker, inFlight: target.inFlight,
      requests: target.requests, failures: target.failures,
      latencyMsP50: target.latencies.quantile(0.5), latencyMsP95: target.latencies.quantile(0.95),
      latencyMsP99: target.latencies.quantile(0.99))
  }
}

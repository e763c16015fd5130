import DocumentKit
import HTTPKit
import RolloutCore
import RolloutEvaluation
import RolloutGateway
import RolloutStore
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutServer

/// The AI path as a service: no route, no token, no socket but the provider's.
@Suite struct AIServiceTests {
  private let upstream = ScriptedUpstream()
  private let clock = ManualClock()

  /// The service, what it spends from, and the plan of `ai`, which serves everybody.
  private struct Kit {
    var service: AIService
    var money: BudgetDatabase
    var plan: CompiledPlan
    /// What is on disk goes with it.
    let folder: TemporaryFolder

    func request(_ text: String = "hello", isStreamed: Bool = false) throws -> AIRequest {
      let body = #"{"messages":[{"role":"user","content":"\#(text)"}],"max_tokens":10}"#
      return try AIRequest(
        ChatRequest(RawObject(Array(body.utf8))), of: plan, app: "app", user: "anna",
        attributes: [:], isStreamed: isStreamed)
    }

    /// Outcomes that were counted, by result.
    var outcomes: [Outcome.Result: Int] {
      service.ledger.totals()[0].totals.results[.treatment] ?? [:]
    }

    /// Nano-dollars spent and held.
    func spent() async throws -> [Int] {
      let balances = try await money.balances(since: Instant(milliseconds: 0))
      return balances.flatMap { [$0.spent.nanodollars, $0.reserved.nanodollars] }
    }
  }

  private func make(
    _ more: String = "", limits: String = "", inFlight: Int = 9, fallback: String = ""
  )
    async throws -> Kit
  {
    let yaml = """
      providers: {main: {kind: openai, base_url: "\(upstream.url)", max_in_flight: \(inFlight)}}
      prices: {m: {input: 1, output: 2}}
      budgets: [{name: all, limit_usd: 1, window: total}]
      routes: {main: {deadline: 3s, targets: [{provider: main, model: m}]\(more)}}
      \(limits)
      """
    let configuration = try ServerConfiguration(YAMLReader.read(Array(yaml.utf8))) { _ in nil }
      .gateway
    let folder = TemporaryFolder()
    let directory = try DataDirectory(folder.path)
    let money = try await BudgetDatabase(directory, now: clock.now)
    let (box, ledger, store) = (SnapshotBox(), OutcomeLedger(), MemoryStore())
    let controller = try await PlanController(
      planStore: store, cohortStore: store, box: box, clock: clock, ledger: ledger,
      observers: [])
    let definition = try PlanDefinition(
      YAMLReader.read(
        Array("feature: ai\nroute: main\nstages: [{name: all, percent: 100}]\n\(fallback)".utf8)))
    _ = try await controller.apply(definition, expecting: nil, actor: .token("a"), reason: "new")
    _ = try await controller.perform(
      .start, on: "ai", expecting: 1,
      CommandContext(actor: .token("a"), reason: "go", now: clock.now))
    let log = Log(clock: clock, isSilent: true)
    let service = AIService(
      gateway: Gateway(configuration, client: try HTTPClient(), clock: clock), box: box,
      ledger: ledger, clock: clock, evaluations: EvaluationCounters(), metrics: AIMetrics(),
      purse: Purse(
        budgets: configuration.budgets, store: money, clock: clock, log: log, tell: { _, _ in }),
      limits: RequestLimits(configuration), cache: AnswerCache(),
      captures: CaptureSampler(
        settings: nil, store: try TelemetryDatabase(directory, now: clock.now), log: log))
    return Kit(service: service, money: money, plan: try service.plan("ai"), folder: folder)
  }

  private func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<200 {
      if try await condition() { return true }
      try await Task.sleep(for: .milliseconds(10))
    }
    return false
  }

  @Test func `whole and streamed, a call is paid and counted the same`() async throws {
    let kit = try await make()
    upstream.next(.chat("hi"))
    let (_, answer) = await kit.service.answer(to: try kit.request())
    guard case .provider(let completion) = answer else {
      Issue.record("\(answer)")
      return
    }
    #expect(completion.usage == Usage(inputTokens: 7, outputTokens: 3))
    #expect(kit.outcomes == [.ok: 1])
    #expect(try await kit.spent() == [13_000, 0])
    upstream.next(.streamHead, .chunk("h"), .chunk("i"), .streamEnd, .close)
    let ending: AnswerStream.Ending
    var events: [RawValue] = []
    switch await kit.service.reply(to: try kit.request(isStreamed: true)) {
    case .stream(let stream): ending = await stream.deliver { events.append($0) }
    case .whole(_, let answer):
      Issue.record("\(answer)")
      return
    }
    #expect(ending == .whole)
    #expect(events.count == 4)
    #expect(kit.outcomes == [.ok: 2])
    #expect(try await kit.spent() == [26_000, 0])
    await kit.money.close()
  }

  @Test func `a stream whose reader leaves is paid in full and is nobody's failure`() async throws {
    struct Gone: Error {}
    let kit = try await make()
    upstream.next(.streamHead, .chunk("one"), .hang)
    switch await kit.service.reply(to: try kit.request(isStreamed: true)) {
    case .stream(let stream):
      let ending = await stream.deliver { _ in throw Gone() }
      #expect(ending == .left)
    case .whole(_, let answer): Issue.record("\(answer)")
    }
    #expect(kit.outcomes == [.excluded: 1])
    let spent = try await kit.spent()
    // A token is at least a byte: the bound is what the request and its answer may cost at most.
    #expect(spent[0] > 26_000 && spent[1] == 0, "\(spent)")
    #expect(try await eventually { upstream.peersGone == 1 })
    await kit.money.close()
  }

  @Test func `a bill or a stream that is dropped is settled as a call that nobody waited for`()
    async throws
  {
    let kit = try await make()
    let call = AICall(try kit.request(), nil, by: clock)
    let route = try #require(call.route(kit.service.gateway.configuration))
    do {
      var bill = Bill(call, kit.service)
      try await bill.reserveCost(on: route)
      #expect(try await kit.spent()[1] > 0)
    }
    #expect(kit.outcomes == [.excluded: 1])
    #expect(try await eventually { try await kit.spent()[1] == 0 })
    let paid = try await kit.spent()[0]
    #expect(paid > 0)
    upstream.next(.streamHead, .chunk("one"), .hang)
    do {
      let reply = await kit.service.reply(to: try kit.request(isStreamed: true))
      _ = consume reply
    }
    #expect(kit.outcomes == [.excluded: 2])
    #expect(try await eventually { try await kit.spent() == [2 * paid, 0] })
    // Its place at the provider is free again, and the provider is left alone.
    #expect(try await eventually { upstream.peersGone == 1 })
    #expect(kit.service.gateway.gateStatuses()["main"]?.inFlight == 0)
    let left = AIMetrics.Key(provider: "main", model: "scripted", error: "client_cancelled")
    #expect(kit.service.metrics.current.durations[left]?.count == 1)
    await kit.money.close()
  }

  @Test func `a failure is a value that says why and how long to wait`() async throws {
    let kit = try await make()
    upstream.next(.answer(400, #"{"error":{"message":"no\nsuch \"thing\""}}"#))
    guard case (_, .none(.callerError(let words))) = await kit.service.answer(to: try kit.request())
    else {
      Issue.record("no error of the caller")
      return
    }
    #expect(words == "no\nsuch \"thing\"")
    upstream.next(.answer(429, "{}", headers: "Retry-After: 7\r\n"))
    let (_, answer) = await kit.service.answer(to: try kit.request())
    guard case .none(let why) = answer, case .exhausted(let exhausted) = why else {
      Issue.record("\(answer)")
      return
    }
    #expect(why.reason == .allTargetsFailed && exhausted.retryAfter == 7)
    // A job would not wait: it is the provider that says no, and not our own room that is full.
    #expect(answer.wait == nil)
    #expect(kit.outcomes == [.excluded: 1, .failed: 1])
    #expect(try await kit.spent() == [0, 0])
    await kit.money.close()
  }

  @Test func `a limit says no before any budget is asked, and how long to wait`() async throws {
    let kit = try await make(limits: "limits: {per_user: 1/min}")
    upstream.next(.chat("hi"))
    let (first, _) = try await kit.service.answer(to: kit.request())
    #expect(first.allowance?.limit == 1 && first.allowance?.remaining == 0)
    for isStreamed in [false, true] {
      guard
        case .whole(let call, let answer) = await kit.service.reply(
          to: try kit.request(isStreamed: isStreamed)), case .none(.limited(let refusal)) = answer
      else {
        Issue.record("no limit")
        return
      }
      #expect(refusal.name == "per_user" && call.allowance?.remaining == 0)
      #expect(answer.wait.map { (1...60).contains($0) } == true)
    }
    #expect(kit.outcomes == [.ok: 1, .excluded: 2])
    #expect(kit.service.metrics.current.limited == ["per_user": 2])
    #expect(try await kit.spent() == [13_000, 0])
    await kit.money.close()
  }

  @Test func `who can wait would rather have room than the fallback`() async throws {
    let kit = try await make(
      limits: "limits: {queue: {length: 0}}", inFlight: 1, fallback: "fallback: {content: later}")
    upstream.next(.hang)
    let running = Task { await kit.service.answer(to: try kit.request()) }
    #expect(try await eventually { upstream.requests.count == 1 })
    let (_, answer) = await kit.service.answer(to: try kit.request())
    guard case .fallback(_, let reason, _) = answer else {
      Issue.record("\(answer)")
      return
    }
    #expect(reason == .limit && answer.wait == 1)
    running.cancel()
    guard case (_, .none(.givenUp)) = try await running.value else {
      Issue.record("not given up")
      return
    }
    #expect(kit.outcomes == [.excluded: 1, .degradedFallback: 1])
    await kit.money.close()
  }

  @Test func `a stream does not wait for a whole answer, which waits for another`() async throws {
    let kit = try await make(", cache: {ttl: 10m}")
    upstream.next(.wait(milliseconds: 300), .chat("whole"))
    upstream.next(.streamHead, .chunk("streamed"), .streamEnd, .close)
    async let first = kit.service.answer(to: try kit.request())
    #expect(try await eventually { upstream.requests.count == 1 })
    async let second = kit.service.answer(to: try kit.request())
    switch await kit.service.reply(to: try kit.request(isStreamed: true)) {
    case .stream(let stream):
      let ending = await stream.deliver { _ in }
      #expect(ending == .whole)
    case .whole(_, let answer): Issue.record("\(answer)")
    }
    guard case (_, .provider) = try await first, case (_, .cached) = try await second else {
      Issue.record("both asked")
      return
    }
    #expect(upstream.requests.count == 2)
    await kit.money.close()
  }
}

import DocumentKit
import HTTPKit
import PlatformKit
import RolloutCore
import RolloutGateway
import RolloutTesting
import Synchronization
import YAMLKit

@testable import RolloutServer

/// The AI path in one thread: the real gateway with its queues, quotas and breakers, the limits of
/// users, the purse and the job runner, by a clock that jumps. Providers answer from memory, slowly
/// and not always. Everything that happens follows from the seed.
final class PaidSimulation {
  private static let providers = ["quick", "small"]
  private static let inFlightMax = 3
  private static let perMinute = 30
  private static let userLimit = RateLimit(count: 6, perMinutes: 1)
  private static let budgetDollars = "0.80"
  /// Its thread waits: no provider here is called over a network.
  private static let client = try? HTTPClient()

  private var random: SeededRandom
  private let executor = SeededExecutor()
  private let clock = SimulatedClock()
  private let money = SimulatedMoney()
  private let disk = SimulatedJobDisk()
  private let diary: Diary
  private let settings: ServerConfiguration
  private let limiter = RateLimiter(PaidSimulation.userLimit)
  private var process: Process?
  private var failures: [String] = []
  private var jobCount = 0
  private var boots = 0

  /// What a running server consists of.
  private struct Process {
    var gateway: Gateway
    var purse: Purse
    var accounts: SimulatedAccounts
    var jobs: SimulatedJobStore
    var runner: JobRunner
    var loop: Task<Void, Never>
  }

  /// What the simulation's tasks saw.
  final class Diary: Sendable {
    private struct State {
      var lines: [String] = []
      /// When each attempt at a provider began.
      var attempts: [String: [MonotonicInstant]] = [:]
      var allowed: [String: [MonotonicInstant]] = [:]
      var begun = 0
      var ended = 0
    }

    private let state = Mutex(State())

    func note(_ line: String) { state.withLock { $0.lines.append(line) } }
    func attempted(_ provider: String, at begin: MonotonicInstant) {
      state.withLock { $0.attempts[provider, default: []].append(begin) }
    }
    func allow(_ user: String, at now: MonotonicInstant) {
      state.withLock { $0.allowed[user, default: []].append(now) }
    }
    func begin() { state.withLock { $0.begun += 1 } }
    func end(_ line: String) {
      state.withLock { state in
        state.ended += 1
        state.lines.append(line)
      }
    }

    var lines: [String] { state.withLock { $0.lines } }
    var underWay: Int { state.withLock { $0.begun - $0.ended } }
    var attempts: [String: [MonotonicInstant]] { state.withLock { $0.attempts } }
    var allowed: [String: [MonotonicInstant]] { state.withLock { $0.allowed } }
  }

  init(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    diary = Diary()
    let providers = Self.providers.map { name in
      "  \(name): {kind: echo, max_in_flight: \(Self.inFlightMax), "
        + "latency: \(200 + random.below(4000))ms, failing: \(random.below(30))%, "
        + "limits: {requests: \(Self.perMinute)/min}}"
    }
    let yaml = """
      providers:
      \(providers.joined(separator: "\n"))
      prices:
        quick: {input: 1000, output: 1000}
        small: {input: 1000, output: 1000}
      limits:
        queue: {length: 10, wait: 8s}
      budgets: [{name: all, limit_usd: \(Self.budgetDollars), window: day, hard: true}]
      routes:
        r:
          deadline: 20s
          targets: [{provider: quick, model: quick}, {provider: small, model: small}]
      """
    self.random = random
    do { settings = try ServerConfiguration(YAMLReader.read(Array(yaml.utf8))) { _ in nil } } catch
    {
      settings = ServerConfiguration()
      failures.append("the configuration cannot be read: \(error)")
    }
  }

  /// What happened, line by line.
  var lines: [String] { diary.lines }

  /// Runs to the end; the broken promises, none when all is well.
  func run(steps: Int) -> [String] {
    boot()
    for _ in 0..<steps {
      step()
      _ = executor.run(random.below(60), &random)
      checkGates()
    }
    settle()
    return failures + disk.current.violations
  }

  // MARK: The process

  private var starter: TaskStarter {
    TaskStarter { [executor] work in Task(executorPreference: executor) { await work() } }
  }

  private func boot() {
    guard let client = Self.client else {
      failures.append("no client can be made")
      return
    }
    let (clock, diary, configuration) = (clock, diary, settings.gateway)
    boots += 1
    let boot = boots
    let log = Log(clock: clock, isSilent: true)
    let gateway = Gateway(
      configuration, client: client, clock: clock, starter: starter, jitter: { 0.5 },
      observe: { report in
        let took = Int((report.seconds * 1000).rounded())
        diary.attempted(
          // Another process knows nothing of what this one has used up.
          "\(report.provider) \(boot)",
          at: MonotonicInstant(milliseconds: clock.monotonic.milliseconds - took))
      })
    let accounts = SimulatedAccounts(money)
    let purse = Purse(
      budgets: configuration.budgets, store: accounts, clock: clock, log: log, tell: { _, _ in })
    let jobs = SimulatedJobStore(disk)
    let ask = Self.asking(gateway, purse, configuration)
    let runner = JobRunner(
      store: jobs, settings: Current(settings), clock: clock, log: log, starter: starter,
      execute: { job in
        diary.note("\(job.id) is begun")
        return await ask(job.id, Caller(app: job.app, user: "job", isBatch: true)) == "answered"
          ? .done(.succeeded, []) : .later(seconds: 2)
      })
    let loop = starter.start { await runner.run() }
    process = Process(
      gateway: gateway, purse: purse, accounts: accounts, jobs: jobs, runner: runner, loop: loop)
  }

  /// kill -9 with whatever was under way.
  private func crash() {
    guard let dead = process else { return }
    dead.accounts.die()
    dead.jobs.crash()
    money.crash()
    dead.loop.cancel()
    let runner = dead.runner
    executor.start { await runner.stop() }
    boot()
  }

  /// One paid request; what became of it, in a word.
  private static func asking(
    _ gateway: Gateway, _ purse: Purse, _ configuration: GatewayConfiguration
  ) -> @Sendable (_ id: String, Caller) async -> String {
    let body = #"{"messages":[{"role":"user","content":"hello"}],"max_tokens":20}"#
    guard let raw = try? RawObject(Array(body.utf8)), let request = try? ChatRequest(raw),
      let route = configuration.routes["r"]
    else { return { _, _ in "unusable" } }
    return { id, caller in
      let spender = Spender(request: id, app: caller.app, providers: Self.providers)
      let hold: Purse.Reservation?
      do {
        hold = try await purse.reserve({ gateway.bound(of: request, route: route) }, for: spender)
      } catch { return "refused" }
      do {
        let answer = try await gateway.complete(request, route: route, for: caller)
        await purse.settle(hold, cost: answer.cost, provider: answer.trail.provider)
        return "answered"
      } catch {
        let mayHaveCost = (error as? Gateway.Exhausted)?.mayHaveCost ?? true
        await purse.settle(hold, cost: mayHaveCost ? nil : .zero, provider: nil)
        return "failed"
      }
    }
  }

  // MARK: Steps

  private func step() {
    switch random.below(100) {
    case 0..<45: ask()
    case 45..<55: addJob()
    case 55..<85: clock.advance(TimeSpan(milliseconds: Int64(random.below(800))))
    case 85..<90: clock.advance(TimeSpan(milliseconds: Int64(random.below(90_000))))
    // Somebody sets the wall clock, by up to a day, either way.
    case 90..<96: clock.step(milliseconds: Int64(random.below(172_800_000)) - 86_400_000)
    case 96..<98: process?.jobs.setFailing(random.chance(0.4))
    default: if random.chance(0.5) { crash() }
    }
  }

  private var asked = 0

  private func ask() {
    guard let process else { return }
    asked += 1
    let id = "r\(asked)"
    let user = "u\(random.below(4))"
    guard limiter.admit(user, of: "app", now: clock.monotonic).isAllowed else { return }
    diary.allow(user, at: clock.monotonic)
    diary.begin()
    let (diary, leaves) = (diary, random.chance(0.1))
    let ask = Self.asking(process.gateway, process.purse, settings.gateway)
    let request = starter.start {
      diary.end("\(id) \(await ask(id, Caller(app: "app", user: user)))")
    }
    guard leaves else { return }
    // The client goes away at some moment.
    let patience = random.below(3000)
    starter.start { [clock] in
      try? await clock.sleep(milliseconds: patience)
      request.cancel()
    }
  }

  private func addJob() {
    guard let process else { return }
    jobCount += 1
    let job = Job(
      id: "j\(jobCount)", feature: "f", app: "a\(random.below(3))", user: nil, request: [1],
      createdAt: clock.steady, expiresAt: clock.steady + .hours(24))
    let diary = diary
    executor.start {
      // What the store did not take was not promised.
      guard (try? await process.jobs.add(job, nil)) != nil else { return }
      diary.note("\(job.id) is promised")
      process.runner.enqueue(job)
    }
  }

  // MARK: Checks

  private func checkGates() {
    for (name, gate) in process?.gateway.gateStatuses() ?? [:]
    where gate.inFlight > Self.inFlightMax {
      failures.append("\(gate.inFlight) calls are under way at \(name)")
    }
    let limit = settings.gateway.budgets.first?.limit ?? .zero
    for (account, used) in money.most where used > limit {
      failures.append("\(used.text) of \(account.budget) were used")
    }
  }

  /// Nothing new comes; everything must come to rest as promised.
  private func settle() {
    process?.jobs.setFailing(false)
    // Into a day that nobody has spent anything of, wherever the clock was before.
    clock.step(milliseconds: 30 * 86_400_000)
    for _ in 0..<4000 {
      executor.runUntilIdle(&random)
      checkGates()
      guard diary.underWay > 0 || hasOpenJobs || money.heldCount > 0 else { break }
      // To where the next one wakes, who may sleep for a millisecond or for a minute.
      clock.advance(max(clock.untilNextWaking ?? .seconds(1), TimeSpan(milliseconds: 1)))
    }
    if diary.underWay > 0 { failures.append("\(diary.underWay) requests never ended") }
    if money.heldCount > 0 { failures.append("\(money.heldCount) holds were never settled") }
    for (name, gate) in process?.gateway.gateStatuses() ?? [:] {
      if gate.inFlight + gate.queued > 0 { failures.append("\(name) is not at rest: \(gate)") }
    }
    checkJobs()
    checkRate("provider", diary.attempts, Self.perMinute)
    checkRate("user", diary.allowed, Self.userLimit.count)
    let runner = process?.runner
    process?.loop.cancel()
    executor.start { await runner?.stop() }
    executor.runUntilIdle(&random)
  }

  private var hasOpenJobs: Bool { disk.current.jobs.values.contains { !$0.status.isFinal } }

  private func checkJobs() {
    let content = disk.current
    for line in diary.lines where line.hasSuffix(" is promised") {
      let id = String(line.prefix { $0 != " " })
      guard let job = content.jobs[id] else {
        failures.append("\(id) was promised and is lost")
        continue
      }
      let isLucky = job.status == .succeeded || job.status == .failed && job.attempts > 1
      if !isLucky { failures.append("\(id) is \(job.status) after \(job.attempts) attempts") }
    }
  }

  /// No window of a minute holds more than a burst and a minute's worth, whatever the wall clock
  /// said; and after a rest there is a burst again.
  private func checkRate(_ what: String, _ times: [String: [MonotonicInstant]], _ perMinute: Int) {
    for (name, all) in times {
      let sorted = all.sorted()
      for (index, begin) in sorted.enumerated() {
        let count = sorted[index...].prefix { $0.milliseconds(since: begin) < 60_000 }.count
        if count > 2 * perMinute { failures.append("\(what) \(name): \(count) in a minute") }
      }
    }
  }
}

import DocumentKit
import RolloutCore
import RolloutStore
import RolloutTesting
import Synchronization
import YAMLKit

@testable import RolloutServer

/// The whole control plane in one thread: the real plan machine, controller, monitor, judge, ledger
/// and courier, on a simulated disk, clock and network. Everything that happens follows from the
/// seed.
final class Simulation {
  private static let feature = "ai-summary"

  private let seed: UInt64
  private var random: SeededRandom
  private let executor = SeededExecutor()
  private let disk = SimulatedDisk()
  private let clock = ManualClock()
  private let network: SimulatedNetwork
  private let witness = Witness()
  private var process: Process?
  private var failures: [String] = []
  /// Error rates of treatment and control, and whether answers are slow.
  private var weather = (treatment: 0.005, control: 0.005, latency: 200.0)
  private var outcomeNumber = 0
  /// Whether many people change the plan, or automation is mostly left alone.
  private let isCrowded: Bool
  private var recent: [(Outcome, String)] = []
  private var alerts: [Alert] = []

  /// What a running server consists of.
  fileprivate struct Process {
    var store: SimulatedStore
    var controller: PlanController
    var monitor: Monitor
    var courier: Courier
    var desk: AlertDesk
    var ledger: OutcomeLedger
    var box: SnapshotBox
  }

  /// What the simulation's tasks saw.
  final class Witness: Sendable {
    private let state = Mutex((acknowledged: 0, trouble: [String](), made: Process?.none))

    func acknowledge(_ version: Int) {
      state.withLock { $0.acknowledged = max($0.acknowledged, version) }
    }
    var acknowledged: Int { state.withLock { $0.acknowledged } }
    func complain(_ text: String) { state.withLock { $0.trouble.append(text) } }
    var trouble: [String] { state.withLock { $0.trouble } }
    fileprivate func keep(_ process: Process) { state.withLock { $0.made = process } }
    fileprivate func take() -> Process? {
      state.withLock { state in
        defer { state.made = nil }
        return state.made
      }
    }
  }

  init(seed: UInt64) {
    self.seed = seed
    random = SeededRandom(seed: seed)
    isCrowded = random.chance(0.5)
    network = SimulatedNetwork(seed: seed)
  }

  /// What happened, by kind and actor: a simulation in which nothing happens proves nothing.
  var census: [String: Int] {
    var census: [String: Int] = [:]
    for stored in disk.current.tables.events {
      let actor = stored.event.actor.isPerson ? "person" : stored.event.actor.text
      census["\(stored.event.kind.rawValue) by \(actor)", default: 0] += 1
    }
    for stored in disk.current.tables.notices {
      census["notice \(stored.notice.kind.rawValue)", default: 0] += 1
    }
    return census
  }

  /// Runs to the end; the broken promises, none when all is well.
  func run(steps: Int) -> [String] {
    boot()
    create()
    for _ in 0..<steps {
      step()
      // Not until idle: what was begun overlaps with what comes next.
      _ = executor.run(random.below(40), &random)
      checkServed()
    }
    settle()
    return failures + disk.current.violations + witness.trouble
  }

  // MARK: The process

  /// Starts a server on what the disk holds.
  private func boot() {
    let store = SimulatedStore(disk)
    let (clock, witness, network, disk) = (clock, witness, network, disk)
    executor.start {
      let ledger = OutcomeLedger()
      let box = SnapshotBox()
      let hub = EventHub()
      let log = Log(clock: clock, isSilent: true)
      let courier = Courier(
        store: store, messenger: network, clock: clock, log: log, jitter: { 0.5 })
      let announcer = Announcer(outbox: store, hub: hub, wake: { courier.wake() }, log: log)
      do {
        let controller = try await PlanController(
          planStore: store, cohortStore: store, box: box, clock: clock, ledger: ledger,
          observers: [hub, announcer])
        for (feature, state) in disk.current.telemetry {
          ledger.restore(.init(feature: feature, state: state))
        }
        let monitor = Monitor(
          controller: controller, ledger: ledger, announcer: announcer,
          readiness: Readiness(hasTokens: true), clock: clock, log: log)
        let desk = AlertDesk(
          controller: controller, store: store, history: store, clock: clock, log: log)
        witness.keep(
          Process(
            store: store, controller: controller, monitor: monitor, courier: courier, desk: desk,
            ledger: ledger, box: box))
      } catch { witness.complain("could not start: \(error)") }
    }
    executor.runUntilIdle(&random)
    process = witness.take()
    if process == nil { failures.append("the server did not start") }
  }

  /// kill -9 with whatever was under way.
  private func crash() {
    process?.store.crash()
    // Its tasks run on into the dead store; none of them may reach the disk any more.
    executor.runUntilIdle(&random)
    boot()
  }

  private func create() {
    let isAutomatic = random.chance(0.5)
    let yaml = """
      feature: \(Self.feature)
      advance: \(isAutomatic ? "automatic" : "manual")
      attribution: \(random.chance(0.7) ? "on" : "off")
      rollback: {cooldown: 2m, to: \(random.chance(0.8) ? "previous" : "off")}
      stages:
        - {name: internal, cohort: internal}
        - {name: beta, percent: 20, soak: \(random.chance(0.5) ? "1m" : "0s")}
        - {name: "50", percent: 50}
        - {name: "100", percent: 100, approvals: \(random.below(2))}
      """
    guard let controller = process?.controller,
      let definition = try? PlanDefinition(YAMLReader.read(Array(yaml.utf8)))
    else {
      failures.append("the plan cannot be read")
      return
    }
    let witness = witness
    executor.start {
      do {
        let done = try await controller.apply(
          definition, expecting: nil, actor: .token("anna"), reason: "first")
        witness.acknowledge(done.plan.version)
      } catch { witness.complain("could not apply: \(error)") }
    }
    executor.runUntilIdle(&random)
  }

  // MARK: Steps

  private func step() {
    switch random.below(100) {
    case 0..<44: traffic()
    case 44..<62: look()
    case 62..<74: if isCrowded || random.chance(0.2) { person() } else { traffic() }
    case 74: alert()
    case 75..<80: deliver()
    case 80..<84: weatherChange()
    case 84..<92: clock.advance(TimeSpan(milliseconds: Int64(random.below(40_000))))
    case 92: jump()
    case 93..<97: keepTelemetry()
    case 97..<99: process?.store.setFailing(random.chance(0.3))
    default: if random.chance(0.5) { crash() }
    }
  }

  private func weatherChange() {
    if !isCrowded, random.chance(0.7) {
      weather = (0.005, 0.005, 200)
      return
    }
    switch random.below(4) {
    case 0: weather = (0.005, 0.005, 200)
    case 1: weather = (0.6, 0.005, 200)
    case 2: weather = (0.7, 0.7, 200)
    default: weather = (0.01, 0.01, 20_000)
    }
  }

  /// Outcomes: some twice, some late, some never.
  private func traffic() {
    guard let ledger = process?.ledger else { return }
    var reports: [OutcomeLedger.Report] = []
    for _ in 0..<(4 + random.below(16)) {
      clock.advance(TimeSpan(milliseconds: Int64(random.below(400))))
      outcomeNumber += 1
      if random.chance(0.05) { continue }
      if random.chance(0.05), let (outcome, id) = recent.last {
        reports.append(.init(feature: Self.feature, outcome: outcome, id: id))
        continue
      }
      let arm: Outcome.Arm = random.chance(0.5) ? .treatment : .control
      let bad = random.chance(arm == .treatment ? weather.treatment : weather.control)
      let late = random.chance(0.03) ? Int64(random.below(600_000)) : 0
      let outcome = Outcome(
        result: bad ? .failed : .ok, arm: arm, user: UInt64(random.below(200)),
        at: Instant(milliseconds: clock.steady.milliseconds - late), latency: weather.latency)
      let id = "o\(outcomeNumber)"
      recent = [(outcome, id)]
      reports.append(.init(feature: Self.feature, outcome: outcome, id: id))
    }
    ledger.record(reports, at: clock.steady)
  }

  private func look() {
    guard let monitor = process?.monitor else { return }
    executor.start { await monitor.look() }
  }

  private func deliver() {
    guard let courier = process?.courier else { return }
    executor.start { _ = await courier.deliverOnce() }
  }

  /// Somebody sets the wall clock: back by up to an hour, or ahead by up to two days. Nothing that
  /// is measured may notice.
  private func jump() {
    let forward = random.chance(0.5)
    let milliseconds = Int64(random.below(forward ? 172_800_000 : 3_600_000))
    clock.set(
      Instant(milliseconds: clock.now.milliseconds + (forward ? milliseconds : -milliseconds)))
  }

  private func keepTelemetry() {
    guard let ledger = process?.ledger else { return }
    let states = ledger.takeChanges().states
    disk.with { content in
      for state in states { content.telemetry[state.feature] = state.state }
    }
  }

  /// Somebody looked at the plan a while ago and now wants to change it.
  private func person() {
    guard let controller = process?.controller,
      let seen = process?.box.snapshot.plan(Self.feature)?.plan
    else { return }
    let actor = Actor.token(random.chance(0.5) ? "anna" : "bob")
    let commands: [Command] = [
      .start, .advance(to: nil), .advance(to: nil), .advance(to: nil), .rollback(to: nil), .pause,
      .resume, .resume, .acknowledge, .acknowledge, .approve, .approve, .complete, .restore,
      .restore, .approveStage("50"),
      random.chance(0.1) ? .kill : .resume,
    ]
    let helpful: [Command] = [.approve, .acknowledge, .resume, .restore]
    let command: Command =
      seen.status == .draft
      ? .start
      : isCrowded ? commands[random.below(commands.count)] : helpful[random.below(4)]
    let reason = random.chance(0.8) ? "because" : ""
    var context = CommandContext(actor: actor, reason: reason, now: clock.moment)
    context.force = random.chance(0.2)
    let (witness, box) = (witness, process?.box)
    executor.start { [context] in
      do {
        let done = try await controller.perform(
          command, on: Self.feature, expecting: seen.version, context)
        // What is in force and not on disk yet was not promised to outlive a crash.
        if done.isDurable { witness.acknowledge(done.plan.version) }
        let served = box?.snapshot.plan(Self.feature)?.plan.version ?? 0
        if served < done.plan.version {
          witness.complain("version \(done.plan.version) was acknowledged, \(served) is served")
        }
      } catch {}
    }
  }

  /// An alert comes, or one of the last comes again: some of them have been over for long.
  private func alert() {
    guard let desk = process?.desk else { return }
    if alerts.isEmpty || random.chance(0.6) {
      let age = Int64(random.below(120_000))
      let alert = Alert(
        dedupeKey: "k\(alerts.count)", name: "smoke", feature: Self.feature,
        action: random.chance(0.8) ? .rollback : random.chance(0.5) ? .pause : .kill,
        reason: "smoke", startsAt: Instant(milliseconds: clock.now.milliseconds - age),
        receivedAt: clock.now)
      alerts.append(alert)
    }
    let received = (0...random.below(2)).map { _ in
      AlertDesk.Received(
        id: "1", alert: alerts[max(0, alerts.count - 1 - random.below(4))],
        isResolved: random.chance(0.1))
    }
    // What throws is sent again, or not.
    executor.start { _ = try? await desk.judge(received, from: .anonymous, sender: "t") }
  }

  // MARK: Checks

  /// One plan is served, at one stage, and it is one that was committed.
  private func checkServed() {
    guard let served = process?.box.snapshot.plan(Self.feature)?.plan else { return }
    let content = disk.current
    guard let stored = content.tables.plans[Self.feature] else {
      failures.append("a plan is served that was never committed")
      return
    }
    // Ahead of the disk is only what takes the feature away.
    if served.version > stored.version, reach(served) > reach(stored) {
      failures.append("version \(served.version) is served, and not stored")
    }
    if served.version == stored.version, served != stored {
      failures.append("version \(served.version) is served otherwise than stored")
    }
  }

  private func reach(_ plan: Plan) -> Int { plan.isServing ? plan.stageIndex : -1 }

  /// The storm is over: everything must come to rest as promised.
  private func settle() {
    process?.store.setFailing(false)
    executor.runUntilIdle(&random)
    network.heal()
    // P5: what must be rolled back is rolled back by the next looks, nobody interfering.
    for _ in 0..<3 {
      look()
      executor.runUntilIdle(&random)
      clock.advance(.seconds(3))
    }
    checkVerdicts()
    for _ in 0..<RetrySchedule.attemptsMax {
      deliver()
      executor.runUntilIdle(&random)
      clock.advance(.hours(9))
    }
    checkHistory()
    checkMemory()
    crash()
    if process?.box.snapshot.plan(Self.feature)?.plan != disk.current.tables.plans[Self.feature] {
      failures.append("after a restart another plan is served than was stored")
    }
  }

  /// What the controller works on is what is stored.
  private func checkMemory() {
    guard let controller = process?.controller else { return }
    let (witness, stored) = (witness, disk.current.tables.plans[Self.feature])
    executor.start {
      if await controller.planIfAny(Self.feature) != stored {
        witness.complain("the controller's plan is not the stored one")
      }
    }
    executor.runUntilIdle(&random)
  }

  private func checkVerdicts() {
    look()
    executor.runUntilIdle(&random)
    let now = clock.steady
    guard let assessment = process?.ledger.inspect(Self.feature, now: now)?.assessment else {
      return
    }
    // Said without the judge: who fires, is to blame and may be rolled back, must not fire any
    // more.
    for finding in assessment.findings
    where finding.verdict.state == .firing && assessment.plan.isServing {
      let isHeld = assessment.plan.hold?.cause == .outage
      let isBlamed =
        !assessment.plan.definition.attribution || finding.attribution == .treatment
        || (finding.attribution == .unopposed && !isHeld)
      if isBlamed { failures.append("P5: still not rolled back: \(finding.verdict.sentence)") }
    }
  }

  private func checkHistory() {
    let content = disk.current
    let versions = content.tables.events.map(\.event.version)
    if versions != Array(1...max(1, versions.count)) { failures.append("P2: versions \(versions)") }
    // P1: nothing acknowledged is lost.
    if let last = versions.last, witness.acknowledged > last {
      failures.append("P1: version \(witness.acknowledged) was acknowledged and is lost")
    }
    let delivered = network.delivered
    let queue = content.tables.deliveries
    for row in queue where !row.waits && !delivered.contains(row.message.id) {
      failures.append("\(row.message.id) is marked as told and was not")
    }
    let known = Set(queue.map(\.message.id))
    for id in delivered.subtracting(known) { failures.append("\(id) was told and never happened") }
    if let waiting = queue.first(where: \.waits) {
      failures.append("\(waiting.message.id) was never told")
    }
    failures += Invariants.broken(in: content.tables.events.map(\.event), chain: content.chain)
  }
}

/// Loses messages, repeats them, and says it failed when it did not.
final class SimulatedNetwork: Messenger, Sendable {
  private let state: Mutex<State>

  private struct State {
    var random: SeededRandom
    var isHealed = false
    var delivered: Set<String> = []
  }

  init(seed: UInt64) { state = Mutex(State(random: SeededRandom(seed: seed &+ 1))) }

  func heal() { state.withLock { $0.isHealed = true } }
  var delivered: Set<String> { state.withLock { $0.delivered } }

  func send(_ message: Message, to target: String, at now: Instant) async throws {
    await Task.yield()
    let fails = state.withLock { state in
      guard !state.isHealed else {
        state.delivered.insert(message.id)
        return false
      }
      let arrives = state.random.chance(0.7)
      if arrives { state.delivered.insert(message.id) }
      return !arrives || state.random.chance(0.2)
    }
    if fails { throw DeliveryFailure(reason: "simulated") }
  }
}

extension Courier {
  /// Every lane once, one after the other, emergencies first; how many deliveries are settled.
  fileprivate func deliverOnce() async -> Int {
    var settled = 0
    for lane in await takeLanes() { settled += await work(lane) }
    return settled
  }
}

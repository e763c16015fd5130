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
  static let feature = "ai-summary"
  /// Asks the same provider, and vouches for an outage of it.
  static let neighbour = "ai-replies"
  static let features = [feature, neighbour]

  let seed: UInt64
  var random: SeededRandom
  let executor = SeededExecutor()
  let disk = SimulatedDisk()
  let clock = ManualClock()
  let network: SimulatedNetwork
  let witness = Witness()
  var process: Process?
  var failures: [String] = []
  /// Error rates of treatment and control of the feature, how slow answers are, and what share of
  /// its calls the provider fails, whoever asks.
  var weather = Weather()
  var outcomeNumber = 0
  /// Whether many people change the plan, or automation is mostly left alone.
  let isCrowded: Bool
  var recent: [(feature: String, outcome: Outcome, id: String)] = []
  var alerts: [Alert] = []
  /// As the files have them, the parts that no file changes apart.
  var stages = Stages(beta: 20, soak: "0s", approvals: 0, holdout: 0)
  var heading = ""
  /// Whether automation waits nowhere for a soak: an hour of it is longer than a simulation.
  var isQuick = false
  /// Before when a stage is not entered by automation, as its line has it.
  var opening = ""

  struct Weather {
    var treatment = 0.005
    var control = 0.005
    var latency = 200.0
    var provider = 0.0
  }

  /// What a running server consists of.
  struct Process {
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
    private let state = Mutex(
      (acknowledged: [String: Int](), trouble: [String](), made: Process?.none))

    func acknowledge(_ version: Int, of feature: String) {
      state.withLock {
        $0.acknowledged[feature, default: 0] = max($0.acknowledged[feature] ?? 0, version)
      }
    }
    /// The newest version that somebody was told of, by feature.
    var acknowledged: [String: Int] { state.withLock { $0.acknowledged } }
    func complain(_ text: String) { state.withLock { $0.trouble.append(text) } }
    var trouble: [String] { state.withLock { $0.trouble } }
    func keep(_ process: Process) { state.withLock { $0.made = process } }
    func take() -> Process? {
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
      if stored.event.kind == .advanced, actor == "monitor", hasSchedule {
        census["advanced within hours", default: 0] += 1
      }
      if stored.event.kind == .held, stored.event.reason.contains("began to fail") {
        census["held with a witness", default: 0] += 1
      }
    }
    for stored in disk.current.tables.notices {
      census["notice \(stored.notice.kind.rawValue)", default: 0] += 1
    }
    return census
  }

  private var hasSchedule: Bool { heading.contains("hours:") || !opening.isEmpty }

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
  func boot() {
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
  func crash() {
    process?.store.crash()
    // Its tasks run on into the dead store; none of them may reach the disk any more.
    executor.runUntilIdle(&random)
    boot()
  }

  func create() {
    let isAutomatic = random.chance(0.5)
    stages = Stages(
      beta: 20, soak: random.chance(0.5) ? "1m" : "0s", approvals: random.below(2), holdout: 0)
    isQuick = isAutomatic && random.chance(0.5)
    heading = """
      advance: \(isAutomatic ? "automatic" : "manual")
      \(isAutomatic && random.chance(0.6) ? hours() : "")
      attribution: \(random.chance(0.7) ? "on" : "off")
      rollback: {cooldown: 2m, to: \(random.chance(0.8) ? "previous" : "off")}
      """
    opening = isAutomatic ? time() : ""
    for feature in Self.features {
      guard let controller = process?.controller, let definition = definition(feature, stages)
      else {
        failures.append("the plan cannot be read")
        return
      }
      let witness = witness
      executor.start {
        do {
          let done = try await controller.apply(
            definition, expecting: nil, actor: .token("anna"), reason: "first")
          witness.acknowledge(done.plan.version, of: feature)
        } catch { witness.complain("could not apply: \(error)") }
      }
      executor.runUntilIdle(&random)
    }
  }

  /// Hours of which it is always some within a day, in a zone whose clocks are set.
  private func hours() -> String {
    let from = random.below(24)
    let to = (from + 6 + random.below(12)) % 24
    let days = random.chance(0.3) ? "days: [mon, tue, wed, thu, fri], " : ""
    func clock(_ hour: Int) -> String { "\(hour / 10)\(hour % 10):00" }
    return "hours: {\(days)from: '\(clock(from))', to: '\(clock(to))', zone: Europe/Berlin}"
  }

  /// A moment within an hour or two of the start, where the plan has one.
  private func time() -> String {
    guard random.chance(0.4) else { return "" }
    let start = Samples.start.milliseconds
    let at = Instant(milliseconds: start + Int64(random.below(120)) * 60_000).rfc3339
    return ", advance_at: \"\(at.prefix(19))Z\""
  }

  /// What files of the plan differ in.
  struct Stages {
    var beta: Int
    var soak: String
    var approvals: Int
    var holdout: Int
  }

  func definition(_ feature: String, _ stages: Stages) -> PlanDefinition? {
    let yaml = """
      feature: \(feature)
      \(heading)
      holdout: \(stages.holdout)%
      stages:
        - {name: internal, cohort: internal\(isQuick ? ", soak: 0s" : "")}
        - {name: beta, percent: \(stages.beta), soak: \(stages.soak)\(opening)}
        - {name: "50", percent: 50\(isQuick ? ", soak: 0s" : "")}
        - {name: "100", percent: 100, approvals: \(stages.approvals)}
      """
    return try? PlanDefinition(YAMLReader.read(Array(yaml.utf8)))
  }

  // MARK: Steps

  func step() {
    switch random.below(100) {
    case 0..<44: traffic()
    case 44..<62: look()
    case 62..<73: if isCrowded || random.chance(0.2) { person() } else { traffic() }
    case 73: if isCrowded || random.chance(0.2) { file() } else { look() }
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

  func weatherChange() {
    weather = Weather()
    if !isCrowded, random.chance(0.7) { return }
    switch random.below(5) {
    case 0: break
    case 1: weather.treatment = 0.6
    case 2: (weather.treatment, weather.control) = (0.7, 0.7)
    case 3: weather.provider = 0.7
    default: (weather.treatment, weather.control, weather.latency) = (0.01, 0.01, 20_000)
    }
  }

  /// Outcomes: some twice, some late, some never.
  func traffic() {
    guard let ledger = process?.ledger else { return }
    var reports: [OutcomeLedger.Report] = []
    for _ in 0..<(4 + random.below(16)) {
      clock.advance(TimeSpan(milliseconds: Int64(random.below(400))))
      outcomeNumber += 1
      if random.chance(0.05) { continue }
      if random.chance(0.05), let (_, outcome, id) = recent.last {
        reports.append(.init(feature: recent[0].feature, outcome: outcome, id: id))
        continue
      }
      let arm: Outcome.Arm = random.chance(0.5) ? .treatment : .control
      let feature = random.chance(0.6) ? Self.feature : Self.neighbour
      // Those without the feature do not ask the provider.
      let isOutage = arm == .treatment && random.chance(weather.provider)
      let own = arm == .treatment ? weather.treatment : weather.control
      let bad = isOutage || random.chance(feature == Self.feature ? own : 0.005)
      let late = random.chance(0.03) ? Int64(random.below(600_000)) : 0
      var outcome = Outcome(
        result: bad ? .failed : .ok, arm: arm, user: UInt64(random.below(200)),
        at: Instant(milliseconds: clock.steady.milliseconds - late), latency: weather.latency)
      if isOutage {
        outcome.origin = FailureOrigin(
          ProviderModel(provider: "p", model: "m"), kind: "server_error", isThrottled: false)
      }
      let id = "o\(outcomeNumber)"
      recent = [(feature, outcome, id)]
      reports.append(.init(feature: feature, outcome: outcome, id: id))
    }
    ledger.record(reports, at: clock.steady)
  }

  func look() {
    guard let monitor = process?.monitor else { return }
    executor.start { await monitor.look() }
  }

  func deliver() {
    guard let courier = process?.courier else { return }
    executor.start { _ = await courier.deliverOnce() }
  }

  /// Somebody sets the wall clock: back by up to an hour, or ahead by up to two days. Nothing that
  /// is measured may notice.
  func jump() {
    let forward = random.chance(0.5)
    let milliseconds = Int64(random.below(forward ? 172_800_000 : 3_600_000))
    clock.set(
      Instant(milliseconds: clock.now.milliseconds + (forward ? milliseconds : -milliseconds)))
  }

  func keepTelemetry() {
    guard let ledger = process?.ledger else { return }
    let states = ledger.takeChanges().states
    disk.with { content in
      for state in states { content.telemetry[state.feature] = state.state }
    }
  }

  /// Somebody looked at the plan a while ago and now wants to change it.
  func person() {
    let feature = random.chance(0.7) ? Self.feature : Self.neighbour
    guard let controller = process?.controller,
      let seen = process?.box.snapshot.plan(feature)?.plan
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
      : seen.incident != nil && random.chance(0.2)
        ? .restore
        : isCrowded ? commands[random.below(commands.count)] : helpful[random.below(4)]
    let reason = random.chance(0.8) ? "because" : ""
    var context = CommandContext(actor: actor, reason: reason, now: clock.moment)
    context.force = random.chance(0.2)
    tell { [context] in
      try await controller.perform(command, on: feature, expecting: seen.version, context)
    }
  }

  /// Somebody applies a file: another share, soak, holdout or number of approvals; now and then
  /// another approves it before.
  func file() {
    let feature = random.chance(0.7) ? Self.feature : Self.neighbour
    guard let controller = process?.controller,
      let seen = process?.box.snapshot.plan(feature)?.plan
    else { return }
    switch random.below(4) {
    case 0: stages.beta = 5 + random.below(45)
    case 1: stages.soak = random.chance(0.5) ? "1m" : "0s"
    case 2: stages.holdout = random.below(10)
    default: stages.approvals = random.below(3)
    }
    guard let definition = definition(feature, stages) else { return }
    if random.chance(0.5) {
      let context = CommandContext(actor: .token("bob"), reason: "read it", now: clock.moment)
      tell {
        try await controller.perform(
          .approveFile(digest: definition.digest), on: feature, expecting: seen.version, context)
      }
      executor.runUntilIdle(&random)
    }
    guard let now = process?.box.snapshot.plan(feature)?.plan else { return }
    tell {
      try await controller.apply(
        definition, expecting: now.version, actor: .token("anna"), reason: "a file")
    }
  }

  /// A person's change, of which it is remembered what they were told.
  func tell(
    _ change: @escaping @Sendable () async throws -> PlanController.Done
  ) {
    let (witness, box) = (witness, process?.box)
    executor.start {
      do {
        let done = try await change()
        let feature = done.plan.feature
        // What is in force and not on disk yet was not promised to outlive a crash.
        if done.isDurable { witness.acknowledge(done.plan.version, of: feature) }
        let served = box?.snapshot.plan(feature)?.plan.version ?? 0
        if served < done.plan.version {
          witness.complain("version \(done.plan.version) was acknowledged, \(served) is served")
        }
      } catch {}
    }
  }

  /// An alert comes, or one of the last comes again: some of them have been over for long.
  func alert() {
    guard let desk = process?.desk else { return }
    if alerts.isEmpty || random.chance(0.6) {
      let age = Int64(random.below(120_000))
      let alert = Alert(
        dedupeKey: "k\(alerts.count)", name: "smoke",
        feature: random.chance(0.7) ? Self.feature : Self.neighbour,
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
}

extension Courier {
  /// Every lane once, one after the other, emergencies first; how many deliveries are settled.
  func deliverOnce() async -> Int {
    var settled = 0
    for lane in await takeLanes() { settled += await work(lane) }
    return settled
  }
}

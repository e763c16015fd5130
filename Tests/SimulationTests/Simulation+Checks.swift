import RolloutCore
import RolloutTesting

@testable import RolloutServer

/// The promises, asked of what is served and of what the disk holds.
extension Simulation {
  /// One plan a feature is served, at one stage, and it is one that was committed.
  func checkServed() { for feature in Self.features { checkServed(feature) } }

  func checkServed(_ feature: String) {
    guard let served = process?.box.snapshot.plan(feature)?.plan else { return }
    let content = disk.current
    guard let stored = content.tables.plans[feature] else {
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

  func reach(_ plan: Plan) -> Int { plan.isServing ? plan.stageIndex : -1 }

  /// The storm is over: everything must come to rest as promised.
  func settle() {
    process?.store.setFailing(false)
    executor.runUntilIdle(&random)
    network.heal()
    // P5: what must be rolled back is rolled back by the next looks, nobody interfering.
    for _ in 0..<3 {
      look()
      executor.runUntilIdle(&random)
      clock.advance(.seconds(3))
    }
    for feature in Self.features { checkVerdicts(feature) }
    for _ in 0..<RetrySchedule.attemptsMax {
      deliver()
      executor.runUntilIdle(&random)
      clock.advance(.hours(9))
    }
    checkHistory()
    checkMemory()
    crash()
    for feature in Self.features
    where process?.box.snapshot.plan(feature)?.plan != disk.current.tables.plans[feature] {
      failures.append("after a restart another plan of \(feature) is served than was stored")
    }
  }

  /// What the controller works on is what is stored.
  func checkMemory() {
    guard let controller = process?.controller else { return }
    let (witness, stored) = (witness, disk.current.tables.plans)
    executor.start {
      for feature in Self.features
      where await controller.planIfAny(feature) != stored[feature] {
        witness.complain("the controller's plan of \(feature) is not the stored one")
      }
    }
    executor.runUntilIdle(&random)
  }

  func checkVerdicts(_ feature: String) {
    look()
    executor.runUntilIdle(&random)
    let now = clock.steady
    guard let ledger = process?.ledger,
      let assessment = ledger.inspect(feature, now: now)?.assessment
    else { return }
    // A neighbour that fails on the same provider says that it is nobody's fault.
    if assessment.plan.definition.attribution, let suspect = assessment.suspect,
      !ledger.witnesses(of: suspect, besides: feature, now: now).isEmpty
    {
      return
    }
    // Said without the judge: who fires while requests come in, is to blame and may be rolled back,
    // must not fire any more.
    for finding in assessment.findings
    where finding.verdict.state == .firing && finding.isCurrent && assessment.plan.isServing {
      let isHeld = assessment.plan.hold?.cause == .outage
      let isBlamed =
        !assessment.plan.definition.attribution || finding.attribution == .treatment
        || (finding.attribution == .unopposed && !isHeld)
      if isBlamed { failures.append("P5: still not rolled back: \(finding.verdict.sentence)") }
    }
  }

  func checkHistory() {
    let content = disk.current
    for feature in Self.features {
      let versions = content.tables.events.map(\.event).filter { $0.feature == feature }
        .map(\.version)
      if versions != Array(1...max(1, versions.count)) {
        failures.append("P2: versions \(versions) of \(feature)")
      }
      // P1: nothing acknowledged is lost.
      let told = witness.acknowledged[feature] ?? 0
      if told > versions.last ?? 0 {
        failures.append("P1: version \(told) of \(feature) was acknowledged and is lost")
      }
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

import RolloutCore

/// Says so when a plan waits for hours in a time zone that this machine does not know, or no
/// longer: it is kept from advancing until somebody does something.
struct ZoneWatch: Sendable {
  static let interval = TimeSpan.seconds(30)

  let controller: PlanController
  let readiness: Readiness
  let log: Log

  func look() async {
    var waiting: [String] = []
    var names: Set<String> = []
    for plan in await controller.allPlans()
    where plan.status == .active && plan.definition.advance == .automatic {
      let unknown = controller.zones.unknown(plan.definition.zoneNames)
      guard !unknown.isEmpty else { continue }
      waiting.append(plan.feature)
      names.formUnion(unknown)
    }
    let sentence =
      "no time zone \(names.sorted().joined(separator: ", ")) is known here, so nobody can tell the "
      + "hours of \(waiting.joined(separator: ", ")), which do not advance by themselves: install "
      + "tzdata, or apply plans with another zone"
    readiness.note("zones", waiting.isEmpty ? nil : sentence, log)
  }
}

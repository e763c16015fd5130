import RolloutTesting

/// What is judged is what users meet with now: not what is over, not what began in another stage,
/// and not what nobody can compare yet.
extension Scenario {
  private static let errorPlan =
    #""stages":[{"name":"few","percent":10},{"name":"half","percent":50},{"name":"all","percent":100}],"#
    + #""guards":[{"metric":"error_rate","max":"5%"}]"#

  static let now: [Scenario] = [
    Scenario(
      name: "people look at 3 %, and then everybody's requests fail",
      plan: errorPlan.replacing(#""max":"5%""#, with: #""max":"5%","investigate":"1%""#),
      seconds: 2400, incident: 1200, right: ["held investigate", "held outage", "released"],
      traffic: { second, random in
        (0..<20).map { index in
          let isControl = index % 2 == 1
          let rate = (1200..<1500).contains(second) ? 0.4 : second < 1200 ? 0.03 : 0
          return Request(
            user: "u\(second)-\(index)", ok: !random.chance(rate), isControl: isControl)
        }
      }),
    Scenario(
      name: "the last requests failed, then nobody came, then a restart", plan: errorPlan,
      seconds: 900, incident: 300, right: [], turns: [420: .restart]
    ) { second, random in
      second >= 304
        ? []
        : (0..<10).map { Request(user: "u\(second)-\($0)", ok: second < 300 || random.chance(0.3)) }
    },
    Scenario(
      name: "apps that say no time report what the stage above left behind", plan: errorPlan,
      advances: 2, seconds: 500, incident: 200, right: ["rolled_back half"], within: 40
    ) { second, _ in
      (0..<10).map {
        Request(user: "u\(second)-\($0)", ok: !(200..<213).contains(second), isDated: false)
      }
    },
    Scenario(
      name: "twice the stage before, where there is none before",
      plan: errorPlan.replacing(
        #""error_rate","max":"5%""#, with: #""cost_per_request","max":"2x""#),
      advances: 0, seconds: 600, incident: 100, right: []
    ) { second, _ in
      (0..<10).map { Request(user: "u\(second)-\($0)", cost: second < 100 ? 0.01 : 0.5) }
    },
  ]
}

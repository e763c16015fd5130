import RolloutTesting

extension Scenario {
  /// So many requests a second of people who ask once each, of whom `rate` fail.
  private static func steady(
    _ pace: Int, arms: Bool = false,
    _ rate: @escaping @Sendable (_ second: Int, _ isControl: Bool) -> Double
  ) -> @Sendable (Int, inout SeededRandom) -> [Request] {
    { second, random in
      (0..<pace).map { index in
        let isControl = arms && index % 2 == 1
        return Request(
          user: "u\(second)-\(index)", ok: !random.chance(rate(second, isControl)),
          isControl: isControl)
      }
    }
  }

  private static let errorsOnly = #""guards":[{"metric":"error_rate","max":"5%"}]"#
  private static let stages =
    #""stages":[{"name":"few","percent":10},{"name":"half","percent":50},{"name":"all","percent":100}]"#
  private static let errorPlan = "\(stages),\(errorsOnly)"

  static let all: [Scenario] = quiet + incidents + people + reports + advances

  // MARK: Nothing is wrong

  private static let quiet: [Scenario] = [
    Scenario(
      name: "healthy traffic for half an hour", seconds: 1800, right: [],
      traffic: steady(10) { _, _ in 0.008 }),
    Scenario(
      name: "three requests a minute, all day", plan: errorPlan, seconds: 43_200, step: 60,
      right: []
    ) { second, random in
      (0..<3).map { Request(user: "u\(second)-\($0)", ok: !random.chance(0.01)) }
    },
    Scenario(name: "a night without traffic", plan: errorPlan, seconds: 36_000, step: 60, right: [])
    { second, random in
      second > 1800 && second < 32_400
        ? [] : (0..<60).map { Request(user: "u\(second)-\($0)", ok: !random.chance(0.008)) }
    },
    Scenario(
      name: "a weekend without traffic", plan: errorPlan, seconds: 100_800, step: 300,
      right: ["held no_traffic", "released"]
    ) { second, random in
      second > 3600 && second < 97_200
        ? [] : (0..<60).map { Request(user: "u\(second)-\($0)", ok: !random.chance(0.008)) }
    },
    Scenario(
      name: "lives at 3 % under a limit of 5 %", plan: errorPlan, seconds: 3600, right: [],
      traffic: steady(10) { _, _ in 0.03 }),
    Scenario(
      name: "lives at 1.6 %, people look from 1 % on",
      plan: #"\#(stages),"guards":[{"metric":"error_rate","max":"5%","investigate":"1%"}]"#,
      seconds: 7200,
      right: ["held investigate"], traffic: steady(10) { _, _ in 0.016 }),
    Scenario(name: "bursts of a hundred requests", plan: errorPlan, seconds: 1200, right: []) {
      second, random in
      second % 30 == 0
        ? (0..<100).map { Request(user: "u\(second)-\($0)", ok: !random.chance(0.01)) } : []
    },
  ]

  // MARK: Something is

  private static let incidents: [Scenario] = [
    Scenario(
      name: "everything fails", plan: errorPlan, incident: 300, right: ["rolled_back few"],
      within: 12, endsWithStep: true,
      traffic: steady(10) { second, _ in second < 300 ? 0.008 : second < 320 ? 1 : 0.008 }),
    Scenario(
      name: "a fifth fails", plan: errorPlan, incident: 300, right: ["rolled_back few"], within: 40,
      endsWithStep: true,
      traffic: steady(10) { second, _ in (300..<340).contains(second) ? 0.2 : 0.008 }),
    Scenario(
      name: "8 % fail", plan: errorPlan, seconds: 700, incident: 300, right: ["rolled_back few"],
      within: 240, endsWithStep: true
    ) { second, random in
      second > 540
        ? []
        : (0..<10).map {
          Request(user: "u\(second)-\($0)", ok: !random.chance(second < 300 ? 0.008 : 0.085))
        }
    },
    Scenario(
      name: "errors creep from 1 % to 12 % in half an hour", plan: errorPlan, seconds: 2000,
      incident: 600, right: ["rolled_back few"], within: 1300, endsWithStep: true
    ) { second, random in
      second > 1800
        ? []
        : (0..<10).map {
          Request(user: "u\(second)-\($0)", ok: !random.chance(0.01 + 0.11 * Double(second) / 1800))
        }
    },
    Scenario(
      name: "a blip of three seconds", plan: errorPlan, incident: 300, right: [],
      traffic: steady(10) { second, _ in (300..<303).contains(second) ? 1 : 0.008 }),
    Scenario(
      name: "a blip every ten minutes", plan: errorPlan, seconds: 3600, incident: 300, right: [],
      traffic: steady(10) { second, _ in second % 600 >= 300 && second % 600 < 303 ? 1 : 0.008 }),
    Scenario(
      name: "both arms fail for fifteen minutes", plan: errorPlan, seconds: 1500, incident: 300,
      right: ["held outage", "released"], within: 20,
      traffic: steady(20, arms: true) { second, _ in (300..<1200).contains(second) ? 0.3 : 0.008 }),
    Scenario(
      name: "both arms fail, and then only the feature", plan: errorPlan, seconds: 900,
      incident: 300, right: ["held outage", "rolled_back few", "rolled_back off"], within: 20,
      traffic: steady(20, arms: true) { second, isControl in
        second < 300 || (second > 500 && isControl) || second > 560 ? 0.008 : 0.4
      }),
    Scenario(
      name: "answers get slow", incident: 300, right: ["rolled_back few"], within: 30,
      endsWithStep: true
    ) {
      second, _ in
      (0..<10).map {
        Request(user: "u\(second)-\($0)", latency: (300..<330).contains(second) ? 14_000 : 900)
      }
    },
    Scenario(
      name: "answers hang, and people leave after nine seconds", seconds: 400, incident: 200,
      right: ["rolled_back few"], within: 60, endsWithStep: true
    ) { second, _ in
      (0..<10).map { index in
        second < 200 || second >= 260
          ? Request(user: "u\(second)-\(index)")
          : Request(user: "u\(second)-\(index)", ok: false, kind: "client_cancelled", latency: 9000)
      }
    },
    hanging(3, of: 4, seconds: 9),
    hanging(1, of: 2, seconds: 12),
    Scenario(
      name: "answers cost four times as much",
      plan: #"\#(stages),"guards":[{"metric":"cost_per_request","max":"$0.02","action":"pause"}]"#,
      incident: 300, right: ["paused"], within: 60
    ) { second, _ in
      (0..<10).map { Request(user: "u\(second)-\($0)", cost: second < 300 ? 0.015 : 0.06) }
    },
    Scenario(
      name: "paused for its cost, resumed when it was mended",
      plan: #"\#(stages),"guards":[{"metric":"cost_per_request","max":"$0.02","action":"pause"}]"#,
      seconds: 900, incident: 300, right: ["paused"], within: 60, turns: [500: .resume]
    ) { second, _ in
      (0..<10).map {
        Request(user: "u\(second)-\($0)", cost: (300..<480).contains(second) ? 0.06 : 0.015)
      }
    },
    Scenario(
      name: "votes of one in a hundred, all of them bad",
      plan: #"\#(stages),"guards":[{"metric":"thumbs_down_rate","max":"10%"}]"#, seconds: 900,
      incident: 0, right: ["rolled_back few"], within: 600, endsWithStep: true
    ) { second, _ in
      second > 600
        ? []
        : (0..<10).map {
          Request(user: "u\(second)-\($0)", vote: $0 == 0 && second % 10 == 0 ? "thumbs_down" : nil)
        }
    },
    Scenario(
      name: "votes of one in a hundred, one in twenty bad",
      plan: #"\#(stages),"guards":[{"metric":"thumbs_down_rate","max":"10%"}]"#, seconds: 1500,
      right: []
    ) { second, _ in
      (0..<10).map {
        Request(
          user: "u\(second)-\($0)",
          vote: $0 == 0 && second % 10 == 0
            ? (second % 200 == 0 ? "thumbs_down" : "thumbs_up") : nil)
      }
    },
    Scenario(
      name: "a locale of 2 % of the traffic is broken", plan: errorPlan, seconds: 1200,
      incident: 300, right: [], traffic: steady(10) { second, _ in second < 300 ? 0.008 : 0.028 }),
  ]

  /// So many answers hang, and whoever waits leaves after a while: means of 6.8 and 6 s, at 5 s.
  private static func hanging(_ share: Int, of all: Int, seconds: Int) -> Scenario {
    Scenario(
      name: "\(share) of \(all) answers hang, and people leave after \(seconds) s", seconds: 500,
      incident: 200, right: ["rolled_back few"], within: 90, endsWithStep: true
    ) { second, _ in
      (0..<12).map { index in
        second < 200 || second >= 290 || index % all >= share
          ? Request(user: "u\(second)-\(index)")
          : Request(
            user: "u\(second)-\(index)", ok: false, kind: "client_cancelled",
            latency: seconds * 1000)
      }
    }
  }

  // MARK: People and machines that retry

  private static let people: [Scenario] = [
    Scenario(
      name: "one person retries once a second", plan: errorPlan, seconds: 900, incident: 100,
      right: []
    ) { second, random in
      (0..<10).map { index in
        index == 0 && second >= 100
          ? Request(user: "angry", ok: false)
          : Request(user: "u\(second)-\(index)", ok: !random.chance(0.008))
      }
    },
    Scenario(
      name: "thirty people fail again and again", plan: errorPlan, seconds: 400, incident: 200,
      right: ["rolled_back few"], within: 15, endsWithStep: true
    ) { second, random in
      (0..<5).map { index in
        second < 200
          ? Request(user: "u\(second)-\(index)", ok: !random.chance(0.008))
          : Request(user: "group\((second * 5 + index) % 30)", ok: false)
      }
    },
    Scenario(
      name: "a bot makes a third of the traffic and always fails", plan: errorPlan, seconds: 600,
      incident: 100, right: []
    ) { second, random in
      (0..<9).map { index in
        index < 3 && second >= 100
          ? Request(user: "bot", ok: false)
          : Request(user: "u\(second)-\(index)", ok: !random.chance(0.008))
      }
    },
    Scenario(
      name: "half of the calls are the caller's own mistake", plan: errorPlan, seconds: 600,
      incident: 100, right: []
    ) { second, random in
      (0..<10).map { index in
        index % 2 == 0
          ? Request(user: "u\(second)-\(index)", ok: false, kind: "caller_error")
          : Request(user: "u\(second)-\(index)", ok: !random.chance(0.008))
      }
    },
    Scenario(
      name: "calls that began before a person's step back fail after it", plan: errorPlan,
      seconds: 400, incident: 200, right: [], turns: [200: .rollback]
    ) { second, _ in
      (0..<10).map { index in
        (200..<212).contains(second)
          ? Request(user: "u\(second)-\(index)", ok: false, latency: (second - 199) * 1000 + 400)
          : Request(user: "u\(second)-\(index)")
      }
    },
    Scenario(
      name: "a provider fails each call after twelve seconds", plan: errorPlan, advances: 2,
      seconds: 500, incident: 200, right: ["rolled_back half"], within: 40
    ) { second, _ in
      // Once it stepped back, only what began before still fails.
      (0..<10).map { index in
        (200..<222).contains(second)
          ? Request(user: "u\(second)-\(index)", ok: false, latency: 12_000)
          : Request(user: "u\(second)-\(index)")
      }
    },
  ]

  // MARK: Reports as they come

  private static let reports: [Scenario] = [
    Scenario(
      name: "a restart in the middle of an incident", plan: errorPlan, incident: 300,
      right: ["rolled_back few"], within: 40, turns: [303: .restart], endsWithStep: true
    ) { second, random in
      (0..<10).map {
        Request(
          user: "u\(second)-\($0)", ok: !random.chance((300..<330).contains(second) ? 0.5 : 0.008))
      }
    },
    Scenario(
      name: "every failure is reported three times", plan: errorPlan, seconds: 1200, right: []
    ) { second, random in
      (0..<10).flatMap { index -> [Request] in
        let fails = random.chance(0.03)
        let request = Request(user: "u\(second)-\(index)", ok: !fails, id: "\(second)-\(index)")
        return fails ? [request, request, request] : [request]
      }
    },
    Scenario(
      name: "outcomes of an incident come a minute late", plan: errorPlan, seconds: 600,
      incident: 300, right: ["rolled_back few"], within: 90, endsWithStep: true
    ) { second, random in
      (0..<10).map {
        Request(
          user: "u\(second)-\($0)", ok: !random.chance((360..<420).contains(second) ? 0.6 : 0.008),
          age: second >= 60 ? 60 : 0)
      }
    },
    Scenario(
      name: "seen at once, released by itself, and restored",
      plan: #"\#(errorPlan),"rollback":{"cooldown":"10m"}"#, seconds: 1500, incident: 300,
      right: ["rolled_back few", "released"], within: 40, turns: [360: .see, 1000: .restore],
      endsWithStep: true, traffic: steady(10) { second, _ in second < 300 ? 0.008 : 0.5 }),
    Scenario(
      name: "two incidents in a day", plan: #"\#(errorPlan),"rollback":{"cooldown":"1m"}"#,
      advances: 2, seconds: 900, incident: 100,
      right: ["rolled_back half", "rolled_back few", "rolled_back off"],
      within: 40, turns: [400: .acknowledge]
    ) { second, random in
      (0..<10).map {
        Request(
          user: "u\(second)-\($0)",
          ok: !random.chance(
            (100..<109).contains(second) || (600..<609).contains(second) ? 0.9 : 0.008))
      }
    },
  ]

  // MARK: Going further by itself

  private static let automatic =
    #""advance":"automatic","stages":[{"name":"few","percent":10,"soak":"10m"},{"name":"half","percent":50,"soak":"10m"},{"name":"all","percent":100,"approvals":1}],\#(errorsOnly)"#

  private static let patient =
    #""advance":"automatic","stages":[{"name":"few","percent":10,"soak":"2h"},"#
    + #"{"name":"half","percent":50},{"name":"all","percent":100}],\#(errorsOnly)"#

  private static let advances: [Scenario] = [
    Scenario(
      name: "healthy, and automatic", plan: automatic, advances: 0, seconds: 2000, step: 2,
      right: ["advanced half"], traffic: steady(10) { _, _ in 0.008 }),
    Scenario(
      name: "one person's traffic, and automatic", plan: automatic, advances: 0, seconds: 1500,
      step: 2, right: []
    ) { second, _ in
      (0..<10).map { _ in Request(user: "anna") }
    },
    Scenario(
      name: "half of the answers hang, and automatic",
      plan: automatic.replacing(",\(errorsOnly)", with: ""), advances: 0, seconds: 1500, step: 2,
      right: []
    ) { second, _ in
      (0..<20).map { index in
        index % 2 == 0
          ? Request(user: "u\(second)-\(index)")
          : Request(
            user: "u\(second)-\(index)", ok: false, kind: "client_cancelled", latency: 9000)
      }
    },
    Scenario(
      name: "10 % fail just before the soak ends", plan: automatic, advances: 0, seconds: 601,
      right: []
    ) { second, random in
      (0..<10).map { index in
        Request(user: "u\(second)-\(index)", ok: !((585..<597).contains(second) && index % 10 == 0))
      } + (second == 599 ? (0..<30).map { Request(user: "late\($0)", ok: $0 % 7 != 0) } : [])
    },
    Scenario(
      name: "outcomes stop while people go on using it", plan: patient, advances: 0,
      seconds: 9000, step: 60, right: [], turns: [8400: .decisions(40)]
    ) { second, random in
      second > 500
        ? [] : (0..<60).map { Request(user: "u\(second)-\($0)", ok: !random.chance(0.008)) }
    },
  ]
}

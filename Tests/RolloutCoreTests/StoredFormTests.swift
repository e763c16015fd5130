import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

/// What was written is read back as it was: for every value that the door takes, and for those that
/// it took once.
@Suite struct StoredFormTests {
  private func reread(_ plan: Plan) throws -> Plan {
    try Plan(JSONReader.read(plan.document.json, depthMax: JSONReader.storedDepthMax))
  }

  @Test(arguments: 0..<40)
  func `a plan of any accepted values is read back as it was`(seed: Int) throws {
    var values = RandomPlan(seed: UInt64(seed))
    for _ in 0..<50 {
      let plan = values.plan()
      let again = try reread(plan)
      #expect(again == plan)
      #expect(again.document.jsonText == plan.document.jsonText)
      // Its canonical file comes through the door too.
      #expect(try PlanDefinition(plan.definition.document) == plan.definition)
    }
  }

  @Test func `a duration of any spelling is read back as it was`() throws {
    var random = SeededRandom(seed: 7)
    var texts = [
      "0.333d", "0.001w", "1.999h", "0.5ms", "10000000w", "6048000000000000ms", "999999999999ms",
      "0.123s", "69999999.999d", "0s",
    ]
    let units = ["ms", "s", "m", "h", "d", "w"]
    for _ in 0..<5000 {
      let whole = random.next() >> UInt64(random.below(64))
      let fraction = random.chance(0.5) ? ".\(random.below(1000))" : ""
      texts.append("\(whole)\(fraction)\(units[random.below(units.count)])")
    }
    var accepted = 0
    for text in texts {
      guard let span = TimeSpan(text) else { continue }
      accepted += 1
      #expect(TimeSpan(span.text) == span, "\(text) is written \(span.text)")
    }
    #expect(accepted > 2000)
    for text in ["0.001ms", "0.5ms", "1.5ms", "999.999ms"] {
      #expect(TimeSpan(text) == nil, "\(text)")
      #expect(TimeSpan.refusal(of: text, "Write 2h.").contains("milliseconds"), "\(text)")
    }
    #expect(TimeSpan.refusal(of: "soon", "Write 2h.") == "Write 2h.")
    for text in ["10000001w", "6048000000000001ms", "9223372036854775807w", "-1s", "1e3s"] {
      #expect(TimeSpan(text) == nil, "\(text)")
    }
  }

  @Test func `shares and amounts are read back as they were`() {
    var random = SeededRandom(seed: 8)
    for _ in 0..<5000 {
      let share = Share(thousandths: random.below(100_001))
      #expect(Share(share.compact) == share)
      #expect(Share(share.text) == share)
      let money = Money(nanodollars: Int(random.next() >> UInt64(4 + random.below(60))))
      if money.nanodollars <= 1 << 60 { #expect(Money(money.text) == money) }
    }
  }

  @Test func `times at the ends of what there is are neither wrapped nor a trap`() {
    for milliseconds in [Int64.min, -1, 0, Int64.max] {
      let instant = Instant(milliseconds: milliseconds)
      #expect(instant + .longest >= instant)
      #expect(!instant.rfc3339.isEmpty)
    }
    let (first, last) = (Instant(milliseconds: .min), Instant(milliseconds: .max))
    #expect(last.since(first) == .longest)
    #expect(first.since(last) == .zero)
    #expect(TimeSpan(milliseconds: .max).words.isEmpty == false)
  }

  @Test func `what only the door asks is not asked of what is stored`() throws {
    var plan = Plan(PlanDefinition(feature: "old feature!"), at: Moment(Samples.start))
    plan.definition.stages = (0..<60).map {
      Stage(name: "a stage \($0)", cohort: "a cohort", percent: .percent($0))
    }
    plan.definition.population.forceOn = (0..<10_001).map { "user \($0)" } + [""]
    plan.definition.population.forceOff = ["user 1"]
    plan.definition.population.eligible = [.all([])]
    let deep = (0..<60).reduce(Document.string("x")) { value, _ in .array([value]) }
    plan.definition.values = .init(on: deep, off: .bool(false))
    #expect(throws: DocumentError.self) { try PlanDefinition(plan.definition.document) }
    #expect(try reread(plan) == plan)
  }

  @Test func `a value nests only so deep that every answer can be read`() throws {
    func values(_ depth: Int) throws -> PlanDefinition {
      let json =
        String(repeating: "{\"a\":", count: depth) + "1" + String(repeating: "}", count: depth)
      return try PlanDefinition(
        JSONReader.read(Array(#"{"feature":"x","values":{"on":\#(json),"off":{}}}"#.utf8)))
    }
    #expect(try values(PlanDefinition.valueDepthMax).values != nil)
    #expect(throws: DocumentError.self) { try values(PlanDefinition.valueDepthMax + 1) }
  }
}

/// Plans of values that follow from a seed, the extreme ones often.
private struct RandomPlan {
  private var random: SeededRandom

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func plan() -> Plan {
    var plan = Plan(definition(), at: moment())
    // More is taken for damage: counting on must not overflow.
    plan.version = pick([1, 2, random.below(1 << 40) + 1, Int.max >> 1])
    plan.status = pick(Plan.Status.allCases)
    plan.stageIndex = random.below(plan.definition.stages.count + 1) - 1
    plan.stageEnteredAt = maybe { $0.moment() }
    plan.pausedAt = maybe { $0.instant() }
    plan.pausedBefore = span()
    plan.hold = maybe {
      Plan.Hold(cause: $0.pick(Plan.Hold.Cause.allCases), reason: $0.text(), since: $0.moment())
    }
    plan.hold?.cooldown = maybe { $0.span() }
    plan.hold?.acknowledged = maybe { .init(by: $0.text(), at: $0.moment()) }
    plan.incident = maybe { .init(stage: $0.text(), at: $0.moment()) }
    plan.incident?.approvals = list(3) { $0.text() }
    plan.approvals = list(3) { $0.text() }
    plan.recentRollbacks = list(3) { $0.instant() }
    plan.appliedBy = random.chance(0.5) ? "anna" : nil
    plan.automaticAdvanceOff = random.chance(0.5)
    plan.updatedAt = moment()
    return plan
  }

  private mutating func definition() -> PlanDefinition {
    var definition = PlanDefinition(feature: name())
    definition.description = text()
    if random.chance(0.5) { definition.population.salt = "salt \(random.below(100)) \u{e9}" }
    definition.population.bucketing = pick(Bucketing.allCases)
    definition.population.eligible = maybe { $0.list(3, atLeast: 1) { $0.rule(0) } }
    definition.population.forceOn = list(3) { "on" + $0.text() }
    definition.population.forceOff = list(3) { "off" + $0.text() }
    definition.population.holdout = share()
    definition.stages = stages()
    definition.advance = pick(PlanDefinition.Advance.allCases)
    definition.hours = maybe { $0.hours() }
    definition.guards = list(4) { $0.rule() }
    definition.rollbackDestination = pick(PlanDefinition.RollbackDestination.allCases)
    definition.cooldown = span()
    definition.preset = maybe { $0.pick(Preset.allCases) }
    definition.attribution = random.chance(0.5)
    definition.requireEvidence = random.chance(0.5)
    definition.dryRun = random.chance(0.5)
    definition.route = maybe { $0.text() }
    definition.fallbackContent = maybe { $0.text() }
    definition.values = maybe { $0.values() }
    return definition
  }

  private mutating func stages() -> [Stage] {
    var percent = 0
    var times: [Instant] = []
    return (0..<(1 + random.below(5))).map { index in
      var stage = Stage(name: "s\(index)", cohort: maybe { $0.name() })
      if random.chance(0.7) || stage.audience.cohort == nil {
        percent = min(100_000, percent + random.below(60_000))
        stage.audience.percent = Share(thousandths: percent)
      }
      stage.audience.rules = list(2) { $0.rule(0) }
      stage.soak = span()
      stage.approvals = random.below(11)
      stage.preset = maybe { $0.pick(Preset.allCases) }
      if index > 0 {
        if random.chance(0.5), let time = time(), times.last.map({ $0 <= time.instant }) ?? true {
          stage.advanceAt = time
          times.append(time.instant)
        }
        stage.hours = maybe { $0.hours() }
      }
      return stage
    }
  }

  private mutating func hours() -> [OpeningHours] {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].filter { _ in random.chance(0.5) }
    let from = random.below(1440)
    func clock(_ minutes: Int) -> String {
      "\(minutes / 600)\(minutes / 60 % 10):\(minutes % 60 / 10)\(minutes % 10)"
    }
    var entries: [Document] = []
    for _ in 0...random.below(3) {
      entries.append(
        .object([
          "days": days.isEmpty ? nil : .array(days.map { .string($0) }),
          "from": random.chance(0.7) ? .string(clock(from)) : nil,
          "to": .string(clock((from + 1 + random.below(1438)) % 1440)),
          "zone": .string(pick(["UTC", "Europe/Berlin", "Etc/GMT+5", "America/Port-au-Prince"])),
        ]))
    }
    // As files write one, and several.
    let hours = entries.count == 1 && random.chance(0.5) ? entries[0] : .array(entries)
    let file = Document.object(["feature": .string("f"), "hours": hours])
    return (try? PlanDefinition(file))?.hours ?? []
  }

  private mutating func time() -> ScheduledTime? {
    let seconds = 946_684_800 + 86_400 + random.below(253_000_000_000)
    let shown = Instant(milliseconds: Int64(seconds) * 1000).rfc3339.prefix(19)
    return ScheduledTime("\(shown)\(pick(["Z", "+01:00", "-03:30", "+14:00", "-12:00"]))")
  }

  private mutating func rule(_ depth: Int) -> Rule {
    if depth < 3, random.chance(0.2) { return .all(list(3, atLeast: 1) { $0.rule(depth + 1) }) }
    let condition: Rule.Condition =
      switch random.below(9) {
      case 0: .isIn(list(3, atLeast: 1) { $0.attribute() })
      case 1: .isNotIn(list(3, atLeast: 1) { $0.attribute() })
      case 2: .startsWith(list(3, atLeast: 1) { "a" + $0.text() })
      case 3: .endsWith(list(3, atLeast: 1) { "a" + $0.text() })
      case 4: .contains(list(3, atLeast: 1) { "a" + $0.text() })
      case 5: .greaterThan(number())
      case 6: .atLeast(number())
      case 7: random.chance(0.5) ? .lessThan(number()) : .atMost(number())
      default: .exists(random.chance(0.5))
      }
    return .attribute(text(), condition)
  }

  private mutating func rule() -> Guard {
    var rule: Guard
    switch random.below(6) {
    case 0:
      rule = Guard(.errorRate, max: .share(Share(thousandths: 1 + random.below(99_999))))
      if case .share(let limit) = rule.limit, limit.thousandths > 1, random.chance(0.5) {
        rule.investigate = Share(thousandths: 1 + random.below(limit.thousandths - 1))
      }
    case 1: rule = Guard(.latencyP99, max: .time(TimeSpan(milliseconds: span().milliseconds + 1)))
    case 2:
      rule = Guard(.costPerRequest, max: .money(Money(nanodollars: 1 + random.below(1 << 60))))
    case 3: rule = Guard(.tokensPerRequest, max: .multiple(1.1 + random.unit() * 98))
    case 4: rule = Guard(.tokensPerRequest, max: .number(pick([1, 0.1, 1e6, 1e6 * random.unit()])))
    default:
      rule = Guard(
        .prometheus,
        max: .number(pick([0.05, .leastNonzeroMagnitude, 1e300, random.unit() + 1e-9])))
      rule.query = text()
    }
    rule.action = pick(Guard.Action.allCases)
    rule.window = 10 + random.below(9991)
    rule.minRequests = 1 + random.below(rule.window)
    rule.margin = random.unit() * 10
    rule.sustain = maybe { $0.span() }
    rule.minAffectedUsers = maybe { 1 + $0.random.below(1000) }
    rule.firingScore = maybe { $0.pick([100, 1e12, 100 + $0.random.unit() * 1e11]) }
    rule.counts = pick([[.failed], [.failed, .degradedCache], [.failed, .degradedFallback]])
    rule.dryRun = random.chance(0.5)
    return rule
  }

  private mutating func values() -> PlanDefinition.Values {
    switch random.below(3) {
    case 0: .init(on: .string(text()), off: .string("off " + text()))
    case 1: .init(on: .double(bound()), off: Document(.number("-1.50E+400")))
    default:
      .init(
        on: (0..<random.below(30)).reduce(.object(["a": .string(text())])) { value, _ in
          .object(["nested": value])
        }, off: .object([:]))
    }
  }

  private mutating func attribute() -> AttributeValue {
    switch random.below(3) {
    case 0: .text(text())
    case 1: .number(number())
    default: .bool(random.chance(0.5))
    }
  }

  private mutating func number() -> Numeral {
    random.chance(0.5)
      ? Numeral(shortestText(of: bound()))!
      : .whole(pick([.max, .min, Int128(UInt64.max), 9_007_199_254_740_993, -1]))
  }

  private mutating func bound() -> Double {
    pick([
      0, -1e15, 1e15, 999_999_999_999_999, .leastNonzeroMagnitude, 0.1, random.unit(),
      (random.unit() - 0.5) * 1e15,
      Double(random.below(1 << 49)),
    ])
  }

  private mutating func span() -> TimeSpan {
    pick([
      .zero, TimeSpan(milliseconds: 1), .longest, TimeSpan("0.333d") ?? .zero,
      TimeSpan(milliseconds: Int64(random.next() >> UInt64(8 + random.below(56)))),
    ])
  }

  private mutating func instant() -> Instant {
    Instant(
      milliseconds: pick([
        0, -1, Int64.min, Int64.max, Int64(bitPattern: random.next()), 1_800_000_000_000,
      ]))
  }

  private mutating func moment() -> Moment { Moment(wall: instant(), steady: instant()) }
  private mutating func share() -> Share { Share(thousandths: random.below(100_001)) }
  private mutating func name() -> String { "n\(random.below(1000))-x_y.z" }

  /// Everything that a text may hold: quotes, controls, line ends of all kinds, what looks like a
  /// number or nothing.
  private mutating func text() -> String {
    pick([
      "", "plain", "null", "25", "1e5", "true", "\"quoted\" \\", "line\nline\r\n\u{2028}end",
      "\u{0}",
      "\u{1F600}e\u{301}é", "\u{202E}abc", " spaces ", String(repeating: "long ", count: 100),
    ])
  }

  private mutating func pick<T>(_ values: [T]) -> T { values[random.below(values.count)] }

  private mutating func maybe<T>(_ make: (inout RandomPlan) -> T) -> T? {
    random.chance(0.5) ? make(&self) : nil
  }

  private mutating func list<T>(
    _ max: Int, atLeast min: Int = 0, _ make: (inout RandomPlan) -> T
  ) -> [T] {
    (0..<(min + random.below(max))).map { _ in make(&self) }
  }
}

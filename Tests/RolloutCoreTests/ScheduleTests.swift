import DocumentKit
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutCore

/// Hours and times: when automation may go on.
@Suite struct ScheduleTests {
  private func definition(_ yaml: String) throws -> PlanDefinition {
    try PlanDefinition(YAMLReader.read(Array("feature: f\n\(yaml)".utf8)))
  }

  private func plan(_ yaml: String) throws -> Plan {
    var plan = Plan(try definition("advance: automatic\n\(yaml)"), at: Moment(Samples.start))
    plan.status = .active
    plan.stageEnteredAt = Moment(Samples.start)
    plan.version = 2
    return plan
  }

  private func civil(
    _ text: String, before: String? = nil,
    zones: [String] = ["Europe/Berlin", "America/New_York", "Pacific/Apia", "America/Havana"]
  ) throws -> CivilClock {
    var known: [String: ZoneRules] = ["UTC": .utc]
    for zone in zones { known[zone] = try ZoneRulesTests.rules(zone) }
    return CivilClock(
      now: try #require(Instant(rfc3339: text), "\(text)"),
      before: before.flatMap { Instant(rfc3339: $0) }, zones: known)
  }

  private let weekdays = """
    hours: {days: [mon, tue, wed, thu], from: "09:00", to: "16:00", zone: Europe/Berlin}
    """

  /// From the Friday when this was written to the week after.
  @Test(
    arguments: [
      ("2026-11-26T08:59:59+01:00", "hours: opens Thu 09:00 Europe/Berlin, in 1 s"),
      ("2026-11-26T09:00:00+01:00", "open until Thu 16:00 Europe/Berlin"),
      ("2026-11-26T15:59:59.999+01:00", "open until Thu 16:00 Europe/Berlin"),
      ("2026-11-26T16:00:00+01:00", "hours: opens Mon 09:00 Europe/Berlin, in 3 d 17 h"),
      ("2026-11-29T19:00:00+01:00", "hours: opens Mon 09:00 Europe/Berlin, in 14 h"),
      ("2026-11-29T18:00:00Z", "hours: opens Mon 09:00 Europe/Berlin, in 14 h"),
      // The same clock time in summer is an hour earlier in UTC.
      ("2026-07-01T06:59:59Z", "hours: opens Wed 09:00 Europe/Berlin, in 1 s"),
      ("2026-07-01T07:00:00Z", "open until Wed 16:00 Europe/Berlin"),
      // Over both Sundays on which clocks change: 23 and 25 hours of a day.
      ("2026-03-28T09:00:00+01:00", "hours: opens Mon 09:00 Europe/Berlin, in 1 d 23 h"),
      ("2026-10-24T09:00:00+02:00", "hours: opens Mon 09:00 Europe/Berlin, in 2 d 1 h"),
    ])
  func `automation waits for the hours of the local clock`(now: String, said: String) throws {
    let plan = try plan(weekdays)
    let standing = try #require(ScheduleStanding(plan, try civil(now)))
    #expect((standing.waitingOn.first ?? standing.sentence) == said, "\(now)")
    #expect(standing.isOpen == said.hasPrefix("open until"))
    #expect((standing.opensAt == nil) == standing.isOpen)
    #expect((standing.closesAt == nil) == !standing.isOpen)
  }

  /// When hours open and shut on the days on which clocks are set, in UTC.
  @Test(
    arguments: [
      // 29 March 2026 has no 02:30 in Berlin: it opens at the moment of the gap.
      (
        "{from: '02:30', to: '04:00', zone: Europe/Berlin}", "2026-03-28T22:00:00Z",
        "2026-03-29T01:00:00.000Z", "2026-03-29T02:00:00.000Z"
      ),
      // All of it skipped: the next day's counts.
      (
        "{from: '02:15', to: '02:45', zone: Europe/Berlin}", "2026-03-28T22:00:00Z",
        "2026-03-30T00:15:00.000Z", "2026-03-30T00:45:00.000Z"
      ),
      (
        "{days: [sun], from: '02:15', to: '02:45', zone: Europe/Berlin}", "2026-03-28T22:00:00Z",
        "2026-04-05T00:15:00.000Z", "2026-04-05T00:45:00.000Z"
      ),
      // 25 October 2026 has 02:30 twice: the first counts, and it opens once.
      (
        "{from: '02:30', to: '02:45', zone: Europe/Berlin}", "2026-10-24T22:00:00Z",
        "2026-10-25T00:30:00.000Z", "2026-10-25T00:45:00.000Z"
      ),
      (
        "{from: '02:30', to: '03:30', zone: Europe/Berlin}", "2026-10-24T22:00:00Z",
        "2026-10-25T00:30:00.000Z", "2026-10-25T02:30:00.000Z"
      ),
      // Over midnight, of the day on which it opens; and over the spring gap, an hour shorter.
      (
        "{days: [fri], from: '22:00', to: '02:00', zone: Europe/Berlin}", "2026-11-26T12:00:00Z",
        "2026-11-27T21:00:00.000Z", "2026-11-28T01:00:00.000Z"
      ),
      (
        "{days: [sat], from: '22:00', to: '04:00', zone: Europe/Berlin}", "2026-03-28T12:00:00Z",
        "2026-03-28T21:00:00.000Z", "2026-03-29T02:00:00.000Z"
      ),
      // Havana sets its clocks back from 01:00 to midnight: the day begins at the first.
      (
        "{days: [sun], zone: America/Havana}", "2026-10-31T12:00:00Z",
        "2026-11-01T04:00:00.000Z", "2026-11-02T05:00:00.000Z"
      ),
      // Samoa had no 30 December 2011, a Friday.
      (
        "{days: [fri], from: '09:00', to: '10:00', zone: Pacific/Apia}", "2011-12-29T20:00:00Z",
        "2012-01-05T19:00:00.000Z", "2012-01-05T20:00:00.000Z"
      ),
      // Two that follow one another are one.
      (
        "[{days: [mon], from: '20:00', zone: UTC}, {days: [tue], to: '06:00', zone: UTC}]",
        "2026-11-29T00:00:00Z", "2026-11-30T20:00:00.000Z", "2026-12-01T06:00:00.000Z"
      ),
      // Each in its own zone.
      (
        "[{days: [mon], from: '09:00', to: '17:00', zone: America/New_York}, "
          + "{days: [mon], from: '09:00', to: '17:00', zone: Europe/Berlin}]",
        "2026-11-29T00:00:00Z", "2026-11-30T08:00:00.000Z", "2026-11-30T22:00:00.000Z"
      ),
    ])
  func `hours open and shut once on days on which clocks are set`(
    hours: String, from: String, opens: String, closes: String
  ) throws {
    let plan = try plan("hours: \(hours)")
    let shut = try #require(ScheduleStanding(plan, try civil(from)))
    #expect(shut.opensAt?.rfc3339 == opens, "\(hours): \(shut.sentence)")
    let open = try #require(ScheduleStanding(plan, try civil(opens)))
    #expect(open.closesAt?.rfc3339 == closes, "\(hours): \(open.sentence)")
    // A second before and after each edge, and never in between.
    let (start, end) = (
      try #require(Instant(rfc3339: opens)), try #require(Instant(rfc3339: closes))
    )
    let zones = try civil(from).zones
    func isOpen(_ at: Instant) -> Bool {
      ScheduleStanding(plan, CivilClock(now: at, zones: zones))?.isOpen == true
    }
    #expect(!isOpen(start - .seconds(1)) && !isOpen(end) && isOpen(end - .seconds(1)))
    var at = start
    while at < end {
      #expect(isOpen(at), "\(hours): shut at \(at.rfc3339)")
      at = at + .minutes(5)
    }
  }

  /// Where no clock is set within them, hours are what the C library's clock shows.
  @Test func `open is what the local clock shows, every half hour of two years`() throws {
    let zones = ["Europe/Berlin", "America/New_York", "Pacific/Apia"]
    let known = try civil("2026-01-01T00:00:00Z").zones
    for zone in zones {
      let plan = try plan(
        "hours: [{days: [mon, wed, sun], from: '08:10', to: '19:50', zone: \(zone)}, "
          + "{days: [fri, sat], from: '21:00', to: '00:30', zone: \(zone)}]")
      let times = (0..<35_000).map { 1_767_225_600 + $0 * 1790 }
      let shown = try ZoneRulesTests.date(times, in: zone, "%u %H:%M")
      try #require(shown.count == times.count)
      var (wrong, open) = (0, 0)
      for (time, text) in zip(times, shown) {
        let (day, clock) = (String(text.prefix(1)), String(text.dropFirst(2)))
        let isDay = ["1", "3", "7"].contains(day) && clock >= "08:10" && clock < "19:50"
        let isNight =
          ["5", "6"].contains(day) && clock >= "21:00"
          || ["6", "7"].contains(day) && clock < "00:30"
        let at = CivilClock(now: Instant(milliseconds: Int64(time) * 1000), zones: known)
        let isOpen = ScheduleStanding(plan, at)?.isOpen == true
        if isOpen { open += 1 }
        if isOpen != (isDay || isNight) { wrong += 1 }
      }
      #expect(wrong == 0 && open > 7000, "\(zone): \(wrong) of \(times.count)")
    }
  }

  @Test func `a stage's time and hours are for entering it, and come before the plan's`() throws {
    let plan = try plan(
      """
      hours: {days: [mon], zone: UTC}
      stages:
        - {name: a, percent: 1}
        - {name: b, percent: 2, advance_at: 2026-12-01T09:00+01:00, hours: {days: [tue, wed], zone: UTC}}
        - {name: c, percent: 3}
        - {name: d, percent: 4, advance_at: 2027-01-04T12:00:30Z}
        - {name: e, percent: 5, hours: {zone: UTC}}
      """)
    func said(_ stage: Int, _ now: String) throws -> [String] {
      var plan = plan
      plan.stageIndex = stage
      let standing = ScheduleStanding(plan, try civil(now))
      return standing.map { $0.isOpen ? [$0.sentence] : $0.waitingOn } ?? ["nothing"]
    }
    #expect(
      try said(0, "2026-11-27T08:00:00Z") == ["time: opens Tue 09:00 +01:00, in 4 d"])
    #expect(
      try said(0, "2026-11-20T08:00:00Z") == ["time: opens Tue 1 Dec 09:00 +01:00, in 11 d"])
    #expect(try said(0, "2026-12-01T08:00:00Z") == ["open until Thu 00:00 UTC"])
    #expect(try said(0, "2026-12-03T00:00:00Z") == ["hours: opens Tue 00:00 UTC, in 5 d"])
    #expect(try said(1, "2026-12-05T08:00:00Z") == ["hours: opens Mon 00:00 UTC, in 1 d 16 h"])
    #expect(
      try said(2, "2026-12-05T08:00:00Z") == [
        "time: opens Mon 4 Jan 2027 12:00 UTC, in 30 d 4 h"
      ])
    #expect(try said(3, "2026-12-05T08:00:00Z") == ["always open"])
    #expect(try said(4, "2026-12-05T08:00:00Z") == ["nothing"])
    // What a time reaches on a day without hours opens after both.
    var later = plan
    later.definition.stages[1].advanceAt = ScheduledTime("2026-12-03T09:00Z")
    let standing = try #require(ScheduleStanding(later, try civil("2026-11-27T08:00:00Z")))
    #expect(standing.opensAt?.rfc3339 == "2026-12-08T00:00:00.000Z")
    #expect(standing.waitingOn.count == 2 && standing.sentence.hasPrefix("opens Tue 8 Dec 00:00"))
  }

  @Test func `an unknown zone keeps it shut, and so does no clock`() throws {
    let plan = try plan(weekdays)
    let clock = try civil("2026-11-26T10:00:00Z", zones: [])
    let standing = try #require(ScheduleStanding(plan, clock))
    #expect(!standing.isOpen && standing.opensAt == nil)
    #expect(standing.waitingOn[0].hasPrefix("hours: this server knows no time zone Europe/Berlin"))
    #expect(!ScheduleStanding.isOpen(plan, nil) && !ScheduleStanding.isOpen(plan, clock))
    #expect(ScheduleStanding.isOpen(try self.plan(""), nil))
    // Two zones of which one is known are not known.
    let both = try self.plan("hours: [{zone: UTC}, {zone: Europe/Berlin}]")
    #expect(!ScheduleStanding.isOpen(both, clock))
  }

  @Test func `after the clock was set both readings must be open for an hour`() throws {
    let plan = try plan(weekdays)
    func gates(_ now: String, _ before: String?) throws -> [String] {
      ScheduleStanding(plan, try civil(now, before: before))?.waitingOn ?? []
    }
    let (open, shut) = ("2026-11-26T10:00:00+01:00", "2026-11-27T10:00:00+01:00")
    #expect(try gates(open, nil) == [])
    #expect(try gates(open, "2026-11-26T10:05:00+01:00") == [])
    #expect(try gates(open, shut)[0].hasPrefix("clock: the clock was set less than 1 h ago"))
    #expect(try gates(shut, open)[0].hasPrefix("hours: opens Mon"))
  }

  // MARK: Who waits

  private func context(_ actor: Actor, _ now: String) throws -> CommandContext {
    let at = try #require(Instant(rfc3339: now))
    var context = CommandContext(actor: actor, reason: "", now: Moment(wall: at, steady: at))
    context.civil = try civil(now)
    return context
  }

  @Test func `automation is refused outside, a person is told and goes on`() throws {
    var plan = try plan(weekdays)
    plan.definition.stages[0].soak = .zero
    let (open, shut) = ("2027-02-04T10:00:00+01:00", "2027-02-05T10:00:00+01:00")
    let gate = "hours: opens Mon 09:00 Europe/Berlin, in 2 d 23 h"
    let advance = Command.advance(to: nil)
    #expect(throws: Refusal.gateClosed(waitingOn: [gate])) {
      try Lifecycle.perform(advance, on: plan, context(.monitor, shut))
    }
    #expect(try Lifecycle.perform(advance, on: plan, context(.monitor, open))?.plan.stageIndex == 1)
    // No reason is asked of a person.
    let person = try context(.token("anna"), shut)
    #expect(try Lifecycle.perform(advance, on: plan, person)?.plan.stageIndex == 1)
    #expect(Lifecycle.passedOver(plan, person) == [gate])
    #expect(Lifecycle.passedOver(plan, try context(.token("anna"), open)) == [])
    #expect(Lifecycle.waitingOn(plan, person) == [gate])
    #expect(Lifecycle.warnings(plan, person) == [gate])
    // Of a plan that people advance it is told, and nothing waits for it.
    plan.definition.advance = .manual
    #expect(Lifecycle.waitingOn(plan, person) == [] && Lifecycle.warnings(plan, person) == [])
    #expect(Lifecycle.passedOver(plan, person) == [gate])
    // Down at any hour.
    #expect(
      try Lifecycle.perform(.rollback(to: nil), on: plan, context(.monitor, shut))?.plan.stageIndex
        == -1)
  }

  @Test func `the judge advances within the hours and at no other time`() throws {
    var plan = try plan(
      weekdays + "\nstages: [{name: a, percent: 5, soak: 0s}, {name: b, percent: 9}]")
    plan.stageEnteredAt = Moment(try #require(Instant(rfc3339: "2027-02-04T08:00:00Z")))
    var health = FeatureHealth(plan)
    let start = try #require(plan.stageEnteredAt).steady
    for number in 0..<600 {
      _ = health.record(
        Outcome(
          result: .ok, arm: .treatment, user: UInt64(number),
          at: start + .seconds(Int64(number)), latency: 100))
    }
    let now = start + .minutes(11)
    func advances(_ civil: CivilClock?) -> Bool {
      Judge.decide(health.assessment(now: now), now: now, civil: civil).contains {
        if case .command(.advance, _, _) = $0 { true } else { false }
      }
    }
    #expect(advances(try civil("2027-02-04T10:00:00+01:00")))
    #expect(!advances(try civil("2027-02-05T10:00:00+01:00")))
    #expect(!advances(nil))
  }

  // MARK: Files

  @Test func `hours and times are written back as they were read`() throws {
    let file = """
      hours:
        - {days: [thu, mon], from: "22:00", to: "02:00", zone: America/Argentina/Buenos_Aires}
        - {to: "24:00", zone: Etc/GMT+5}
      stages:
        - {name: a, percent: 1}
        - {name: b, percent: 2, advance_at: "2026-12-01T09:00:00-03:30", hours: {days: [sun], zone: UTC}}
        - name: c
          percent: 3
          advance_at: 2026-12-01T12:30:05+00:00
      """
    let read = try definition(file)
    #expect(
      read.hours?.map(\.words) == [
        "Mon, Thu 22:00–02:00 America/Argentina/Buenos_Aires", "every day Etc/GMT+5",
      ])
    #expect(read.zoneNames.sorted() == ["America/Argentina/Buenos_Aires", "Etc/GMT+5", "UTC"])
    #expect(read.stages[1].advanceAt?.text == "2026-12-01T09:00-03:30")
    #expect(read.stages[2].advanceAt?.text == "2026-12-01T12:30:05Z")
    let again = try PlanDefinition(JSONReader.read(read.document.json))
    #expect(again == read && again.document.jsonText == read.document.jsonText)
    let days = try definition("hours: {days: [mon, tue, thu, fri, sat, sun], zone: UTC}")
    #expect(days.hours?.first?.words == "Mon, Tue, Thu–Sun UTC")
  }

  @Test(
    arguments: [
      ("hours: {days: [mon]}", "\"zone\" is missing."),
      ("hours: {zone: ../etc/passwd}", "Expected the IANA name"),
      ("hours: {zone: /etc/localtime}", "Expected the IANA name"),
      ("hours: {zone: \"\"}", "Expected the IANA name"),
      ("hours: {zone: UTC, from: \"9:00\"}", "Expected a time of day"),
      ("hours: {zone: UTC, from: \"24:00\"}", "Expected a time of day"),
      ("hours: {zone: UTC, to: \"24:01\"}", "Expected a time of day"),
      ("hours: {zone: UTC, to: \"12:60\"}", "Expected a time of day"),
      ("hours: {zone: UTC, from: \"10:00\", to: \"10:00\"}", "never or always"),
      ("hours: {zone: UTC, days: []}", "Expected a list of days: mon, tue"),
      ("hours: {zone: UTC, days: [monday]}", "Expected a list of days: mon, tue"),
      ("hours: {zone: UTC, days: [mon, mon]}", "mon stands twice."),
      ("hours: {zone: UTC, until: \"10:00\"}", "Unknown key \"until\""),
      ("hours: []", "Expected 1–10 entries"),
      ("hours: always", "Expected an object"),
      (
        "stages: [{name: a, percent: 1, advance_at: 2026-12-01T09:00Z}]",
        "A person starts the first"
      ),
      ("stages: [{name: a, percent: 1, hours: {zone: UTC}}]", "A person starts the first"),
      (
        "stages: [{name: a, percent: 1}, {name: b, percent: 2, advance_at: 2026-12-01T09:00}]",
        "with its offset from UTC"
      ),
      (
        "stages: [{name: a, percent: 1}, {name: b, percent: 2, advance_at: 2026-12-01}]",
        "with its offset from UTC"
      ),
      (
        "stages: [{name: a, percent: 1}, {name: b, percent: 2, advance_at: 2026-02-30T09:00Z}]",
        "with its offset from UTC"
      ),
      (
        "stages: [{name: a, percent: 1}, {name: b, percent: 2, advance_at: 1999-12-01T09:00Z}]",
        "with its offset from UTC"
      ),
      (
        "stages: [{name: a, percent: 1}, {name: b, percent: 2, advance_at: \"2026-12-01T09:00.0000Z\"}]",
        "with its offset from UTC"
      ),
      (
        "stages: [{name: a, percent: 1}, {name: b, percent: 2, advance_at: 2026-12-02T09:00Z}, "
          + "{name: c, percent: 3, advance_at: 2026-12-01T09:00Z}]", "Times never go back"
      ),
    ])
  func `what cannot be meant is refused with what to write`(yaml: String, said: String) throws {
    let document = try YAMLReader.read(Array("feature: f\n\(yaml)".utf8))
    let error = #expect(throws: DocumentError.self) { try PlanDefinition(document) }
    #expect(error?.message.contains(said) == true, "\(yaml): \(error?.message ?? "taken")")
    // All of a file is told, and mending comes to an end.
    let problems = PlanDefinition.problems(of: document)
    #expect(problems.contains { $0.message.contains(said) } && problems.count < 4, "\(problems)")
  }

  @Test func `a file names its zones with their places`() throws {
    let document = try YAMLReader.read(
      Array(
        """
        feature: f
        hours: [{zone: Europe/Berlin}, {zone: "../x"}]
        stages:
          - {name: a, percent: 1}
          - {name: b, percent: 2, hours: {zone: Mars/Olympus}}
        """.utf8))
    let found = OpeningHours.zones(in: document)
    #expect(found.map(\.name) == ["Mars/Olympus", "Europe/Berlin"])
    #expect(found.map(\.path) == ["stages[1].hours.zone", "hours[0].zone"])
    #expect(found[0].position.line == 5)
    for odd in ["feature: f\nhours: x\nstages: y", "[]", "feature: f\nstages: [1, {hours: [2]}]"] {
      #expect(OpeningHours.zones(in: try YAMLReader.read(Array(odd.utf8))).isEmpty)
    }
  }
}

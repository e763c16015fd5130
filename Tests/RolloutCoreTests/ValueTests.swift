import RolloutCore
import RolloutEvaluation
import Testing

@Suite struct ValueTests {
  @Test func `times stop at the ends of what there is`() {
    let ends = [Instant(milliseconds: Int64.min), Instant(milliseconds: Int64.max)]
    #expect(ends[1] + .seconds(1) == ends[1])
    #expect(ends[1] + .longest == ends[1])
    #expect(ends[0] - .seconds(1) == ends[0])
    #expect(ends[0] - .longest == ends[0])
    #expect(ends[1].since(ends[0]) == .longest)
    #expect(ends[0].since(ends[1]) == .zero)
    for make in [TimeSpan.seconds, TimeSpan.minutes, TimeSpan.hours, TimeSpan.days] {
      #expect(make(.max) == .longest)
      #expect(make(.min) == .zero)
    }
    for end in ends { #expect(!end.rfc3339.isEmpty) }
  }

  @Test(
    arguments: [
      (0.0, "0 %"), (0.05, "5 %"), (0.0612, "6.1 %"), (0.001, "0.1 %"), (0.0005, "0.05 %"),
      (1.0 / 3000, "0.033 %"), (0.00001, "0.001 %"), (1, "100 %"),
    ])
  func `what is not nothing is never shown as 0 %`(fraction: Double, text: String) {
    #expect(percent(fraction) == text)
  }

  @Test(
    arguments: [
      ("5", 5000), ("5%", 5000), ("0.5 %", 500), ("100", 100_000), ("0.001", 1), ("0", 0),
      ("33.333%", 33_333),
    ])
  func `shares are read exactly`(text: String, thousandths: Int) {
    #expect(Share(text)?.thousandths == thousandths)
  }

  @Test(arguments: ["", "%", "-1", "101", "100.001", "0.0001", "5e1", "٥", "5 5", ".5", "5."])
  func `what is no share is refused`(text: String) {
    #expect(Share(text) == nil)
  }

  @Test(
    arguments: [
      ("250ms", 250), ("30s", 30_000), ("1.5m", 90_000), ("2h", 7_200_000), ("7d", 604_800_000),
      ("2w", 1_209_600_000),
    ])
  func `durations are read and written back`(text: String, milliseconds: Int64) throws {
    let span = try #require(TimeSpan(text))
    #expect(span.milliseconds == milliseconds)
    #expect(TimeSpan(span.text) == span)
  }

  @Test(arguments: ["", "5", "s", "-1s", "1 s", "1y", "99999999999999d"])
  func `what is no duration is refused`(text: String) {
    #expect(TimeSpan(text) == nil)
  }

  @Test(arguments: [
    (45_000, "45 s"), (11_520_000, "3 h 12 m"), (172_800_000, "2 d"), (61_000, "1 m 1 s"),
  ])
  func `durations read well in sentences`(milliseconds: Int64, words: String) {
    #expect(TimeSpan(milliseconds: milliseconds).words == words)
  }

  @Test func `money is exact`() {
    #expect(Money("$0.02")?.nanodollars == 20_000_000)
    #expect(Money("2.50")?.text == "$2.5")
    #expect(Money("$-1") == nil)
    #expect(
      Money.of(tokens: 1_000_000, perMillion: Money(nanodollars: 37_500_000)).text == "$0.0375")
    #expect(Money.of(tokens: 1, perMillion: Money(nanodollars: 1)).nanodollars == 1)
    #expect(Money.of(tokens: .max, perMillion: Money(nanodollars: .max)).nanodollars == .max)
  }

  @Test(
    arguments: [
      "1970-01-01T00:00:00.000Z", "2026-11-23T10:00:00.123Z", "2000-02-29T23:59:59.999Z",
      "1969-12-31T23:59:59.500Z", "2100-03-01T00:00:00.000Z",
    ])
  func `instants survive their text`(text: String) throws {
    #expect(try #require(Instant(rfc3339: text)).rfc3339 == text)
  }

  @Test func `offsets and long fractions are understood, nonsense is not`() {
    #expect(
      Instant(rfc3339: "2026-11-23T12:46:34.01234567+02:00")?.rfc3339 == "2026-11-23T10:46:34.012Z")
    #expect(Instant(rfc3339: "0001-01-01T00:00:00Z") != nil)
    for text in ["", "2026-13-01T00:00:00Z", "2026-11-23", "2026-11-23T10:00:00", "x"] {
      #expect(Instant(rfc3339: text) == nil)
    }
  }
}

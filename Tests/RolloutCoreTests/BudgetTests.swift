import RolloutCore
import Testing

@Suite struct BudgetTests {
  private func window(_ period: Budget.Period, _ text: String) throws -> (String, String?) {
    var budget = Budget(name: "b", limit: .zero)
    budget.period = period
    let window = budget.window(at: try #require(Instant(rfc3339: text)))
    return (window.start.rfc3339, window.end?.rfc3339)
  }

  @Test(arguments: [
    (Budget.Period.day, "2026-11-24T23:59:59.999Z", "2026-11-24", "2026-11-25"),
    (.week, "2026-11-24T10:00:00Z", "2026-11-23", "2026-11-30"),
    (.week, "2026-11-23T00:00:00Z", "2026-11-23", "2026-11-30"),
    (.week, "2026-11-22T23:59:59Z", "2026-11-16", "2026-11-23"),
    (.month, "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01"),
    (.month, "2028-02-29T12:00:00Z", "2028-02-01", "2028-03-01"),
  ])
  func `windows are aligned to UTC`(
    period: Budget.Period, now: String, start: String, end: String
  ) throws {
    let found = try window(period, now)
    #expect(found.0 == "\(start)T00:00:00.000Z")
    #expect(found.1 == "\(end)T00:00:00.000Z")
  }

  @Test func `a total has no end`() throws {
    #expect(try window(.total, "2026-11-24T10:00:00Z").1 == nil)
  }
}

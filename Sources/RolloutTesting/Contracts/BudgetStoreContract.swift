package import RolloutCore

/// What every store of budgets must do.
package enum BudgetStoreContract {
  private static let now = Samples.start

  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some BudgetStore) async throws -> [String] {
    var promises = Promises()
    let line = Self.line("hard", limit: 10, isHard: true)
    let soft = Self.line("soft", limit: 4, isHard: false)
    func reserve(_ request: String, _ dollars: Int, _ lines: [BudgetLine]) async throws
      -> BudgetAccount?
    { try await store.reserve(request, Self.dollars(dollars), lines, at: now) }
    promises.keep(try await reserve("r1", 6, [line, soft]) == nil, "there is room at first")
    promises.keep(
      try await reserve("r2", 6, [soft, line]) == line.account, "a ceiling is never passed")
    var balances = try await store.balances(since: now)
    promises.keep(
      spent(balances, soft) == .zero && reserved(balances, soft) == dollars(6),
      "what has no room in one account is held in none")
    let alerts = try await store.settle(
      "r1", [line.account: dollars(5), soft.account: dollars(5)], [line, soft])
    promises.keep(
      Set(alerts.map { "\($0.account.budget) \($0.percent)" }) == ["hard 50", "soft 100"],
      "people are told of the highest mark that was passed")
    balances = try await store.balances(since: now)
    promises.keep(
      spent(balances, line) == dollars(5) && reserved(balances, line) == .zero,
      "what was spent counts, and what was held no more")
    _ = try await store.settle("r1", [line.account: dollars(5)], [line, soft])
    promises.keep(
      spent(try await store.balances(since: now), line) == dollars(5), "settling twice counts once")
    promises.keep(try await reserve("r3", 5, [line]) == nil, "what was not spent is room again")
    let more = try await store.settle("r3", [:], [line])
    promises.keep(more.isEmpty, "a request that cost nothing is nothing to tell of")
    promises.keep(
      try await store.balances(since: now + .days(40)).isEmpty, "old windows are left out")
    return promises.broken
  }

  private static func line(_ name: String, limit: Int, isHard: Bool) -> BudgetLine {
    var budget = Budget(name: name, limit: dollars(limit))
    budget.isHard = isHard
    return budget.line(BudgetAccount(budget: name, scope: "", windowStart: now))
  }

  private static func dollars(_ count: Int) -> Money { Money(nanodollars: count * 1_000_000_000) }

  private static func spent(_ balances: [BudgetBalance], _ line: BudgetLine) -> Money {
    balances.first { $0.account == line.account }?.spent ?? .zero
  }

  private static func reserved(_ balances: [BudgetBalance], _ line: BudgetLine) -> Money {
    balances.first { $0.account == line.account }?.reserved ?? .zero
  }
}

import RolloutCore
import RolloutTesting
import Testing

/// Which budgets count a request, and where.
@Suite struct RequestBudgetTests {
  private let now = Samples.start

  private func budget(_ division: Budget.Division?, feature: String? = nil) -> Budget {
    var budget = Budget(name: "b", limit: Money(nanodollars: 10))
    budget.division = division
    budget.feature = feature
    return budget
  }

  private func scopes(_ budget: Budget, _ payer: Payer) -> [String] {
    let accounts = budget.accounts(of: payer, at: now)
    #expect(accounts.allSatisfy { $0.windowStart == budget.window(at: now).start })
    return accounts.map(\.scope)
  }

  @Test func `a request is counted in one account, or in one of each provider`() {
    let payer = Payer(feature: "f", app: "app", user: "anna", providers: ["y", "x", "x"])
    #expect(scopes(budget(nil), payer) == [""])
    #expect(scopes(budget(.app), payer) == ["app"])
    #expect(scopes(budget(.feature), payer) == ["f"])
    #expect(scopes(budget(.user), payer) == [String(Outcome.hash(user: "anna"), radix: 16)])
    #expect(scopes(budget(.provider), payer) == ["x", "y"])
  }

  @Test func `another feature's budget does not count it, and our own questions no feature's`() {
    let payer = Payer(feature: "f", app: "app", providers: [])
    #expect(scopes(budget(nil, feature: "g"), payer).isEmpty)
    #expect(scopes(budget(nil, feature: "f"), payer) == [""])
    let probe = Payer(feature: nil, app: "(probe)", providers: ["x"])
    #expect(scopes(budget(nil, feature: "f"), probe).isEmpty)
    #expect(scopes(budget(.feature), probe) == ["(probe)"])
    #expect(scopes(budget(.user), probe) == ["anonymous"])
  }

  @Test func `what a stage would spend is told where all of its requests are counted`() {
    func common(_ budget: Budget, _ provider: String? = "x") -> String? {
      budget.commonAccount(of: "f", provider: provider, at: now)?.scope
    }
    #expect(common(budget(nil)) == "")
    #expect(common(budget(.feature)) == "f")
    #expect(common(budget(.provider)) == "x")
    #expect(common(budget(.provider), nil) == nil)
    #expect(common(budget(.user)) == nil)
    #expect(common(budget(.app)) == nil)
    #expect(common(budget(nil, feature: "g")) == nil)
  }

  @Test func `a soft budget has no ceiling`() {
    var budget = budget(nil)
    let account = BudgetAccount(budget: "b", scope: "", windowStart: now)
    #expect(budget.line(account).ceiling == budget.limit)
    budget.isHard = false
    #expect(budget.line(account).ceiling == nil)
    #expect(budget.line(account).limit == budget.limit)
  }
}

import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

@Suite struct BudgetDatabaseTests {
  private let folder = TemporaryFolder()

  private func open() throws -> (BudgetDatabase, DataDirectory) {
    let directory = try DataDirectory(folder.path)
    return (try BudgetDatabase(directory, now: Samples.start), directory)
  }

  private func account(_ budget: String = "b", _ scope: String = "") -> BudgetAccount {
    BudgetAccount(budget: budget, scope: scope, windowStart: Samples.start)
  }

  private func line(_ account: BudgetAccount, _ dollars: Int, hard: Bool = true) -> BudgetLine {
    let limit = Money(nanodollars: dollars * 1_000_000_000)
    return BudgetLine(
      account: account, ceiling: hard ? limit : nil, limit: limit, alertAt: [50, 80, 100])
  }

  private let dime = Money(nanodollars: 100_000_000)

  private func balance(_ store: BudgetDatabase, _ budget: String = "b") async throws -> (
    spent: Int, reserved: Int
  ) {
    let all = try await store.balances(since: Samples.start)
    let found = all.first { $0.account.budget == budget }
    return (found?.spent.nanodollars ?? -1, found?.reserved.nanodollars ?? -1)
  }

  @Test func `a thousand at once never get beyond the ceiling`() async throws {
    let (store, _) = try open()
    let lines = [line(account(), 5)]
    let served = try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<1000 {
        group.addTask {
          try await store.reserve("r\(number)", dime, lines, at: Samples.start) == nil
        }
      }
      return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(served == 50)
    #expect(try await balance(store) == (0, 5_000_000_000))
    await store.close()
  }

  @Test func `a reservation is made in all accounts or in none`() async throws {
    let (store, _) = try open()
    let lines = [line(account("wide"), 100), line(account("narrow"), 0)]
    #expect(try await store.reserve("r", dime, lines, at: Samples.start) == account("narrow"))
    #expect(try await balance(store, "wide").reserved == -1)
    await store.close()
  }

  @Test func `settling twice counts once, and marks are told once`() async throws {
    let (store, _) = try open()
    let lines = [line(account(), 1)]
    var marks: [Int] = []
    for number in 0..<10 {
      #expect(try await store.reserve("r\(number)", dime, lines, at: Samples.start) == nil)
      for _ in 0..<2 {
        marks += try await store.settle("r\(number)", [account(): dime], lines).map(\.percent)
      }
    }
    #expect(marks == [50, 80, 100])
    #expect(try await balance(store) == (1_000_000_000, 0))
    #expect(try await store.reserve("more", dime, lines, at: Samples.start) != nil)
    await store.close()
  }

  @Test func `a soft budget refuses nobody`() async throws {
    let (store, _) = try open()
    let lines = [line(account(), 0, hard: false)]
    #expect(try await store.reserve("r", dime, lines, at: Samples.start) == nil)
    _ = try await store.settle("r", [account(): dime], lines)
    #expect(try await balance(store).spent == dime.nanodollars)
    await store.close()
  }

  @Test func `what a crash left behind is paid in full`() async throws {
    let (first, directory) = try open()
    let lines = [line(account(), 5)]
    _ = try await first.reserve("gone", dime, lines, at: Samples.start)
    await first.close()
    let again = try BudgetDatabase(directory, now: Samples.start)
    try await again.settleAbandoned()
    #expect(try await balance(again) == (dime.nanodollars, 0))
    #expect(try await again.settle("gone", [account(): dime], lines).isEmpty)
    #expect(try await balance(again) == (dime.nanodollars, 0))
    await again.close()
  }
}

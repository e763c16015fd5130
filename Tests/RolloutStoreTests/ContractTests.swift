import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

/// Every port's promises, asked of a memory and of a real file.
@Suite struct ContractTests {
  private let folder = TemporaryFolder()
  private let target = Subscription(receiver: "hook", kinds: nil)

  /// Of the file by `open`, of the memory, and whether the contract would notice what keeps none.
  private func control(
    _ broken: (any ControlStore) async throws -> [String]
  ) async throws {
    let file = try Store(
      DataDirectory(folder.path), subscriptions: [target], now: Samples.start)
    #expect(try await broken(file) == [], "the file")
    await file.close()
    #expect(try await broken(MemoryStore(subscriptions: [target])) == [], "the memory")
  }

  @Test func plans() async throws {
    try await control { try await PlanStoreContract.broken(by: $0) }
  }

  @Test func cohorts() async throws {
    try await control { try await CohortStoreContract.broken(by: $0) }
  }

  @Test func outbox() async throws {
    try await control { try await OutboxStoreContract.broken(by: $0, receiver: "hook") }
  }

  @Test func history() async throws {
    try await control { try await EventHistoryContract.broken(by: $0) }
  }

  @Test func alerts() async throws {
    try await control { try await AlertStoreContract.broken(by: $0) }
  }

  @Test func tokens() async throws {
    try await control { try await TokenStoreContract.broken(by: $0) }
  }

  @Test func audit() async throws {
    try await control { try await AuditStoreContract.broken(by: $0) }
  }

  @Test func clock() async throws {
    try await control { try await ClockStoreContract.broken(by: $0) }
  }

  @Test func jobs() async throws {
    let file = try JobDatabase(DataDirectory(folder.path), now: Samples.start)
    #expect(try await JobStoreContract.broken(by: file) == [], "the file")
    await file.close()
    #expect(try await JobStoreContract.broken(by: MemoryJobStore()) == [], "the memory")
  }

  @Test func budgets() async throws {
    let file = try await BudgetDatabase(DataDirectory(folder.path), now: Samples.start)
    #expect(try await BudgetStoreContract.broken(by: file) == [], "the file")
    await file.close()
    #expect(try await BudgetStoreContract.broken(by: MemoryBudgetStore()) == [], "the memory")
    // Of a file that has lost its spending: see `BudgetDatabaseTests`.
    let lost = MemoryBudgetStore(lost: "the file is gone")
    #expect(try await BudgetLossStoreContract.broken(by: lost) == [], "the memory")
  }

  private func measured(
    _ broken: (any TelemetryStore & CaptureStore & AnswerStore) async throws -> [String]
  ) async throws {
    let file = try TelemetryDatabase(DataDirectory(folder.path), now: Samples.start)
    #expect(try await broken(file) == [], "the file")
    await file.close()
    #expect(try await broken(MemoryTelemetryStore()) == [], "the memory")
  }

  @Test func telemetry() async throws {
    try await measured { try await TelemetryStoreContract.broken(by: $0) }
  }

  @Test func captures() async throws {
    try await measured { try await CaptureStoreContract.broken(by: $0) }
  }

  @Test func answers() async throws {
    try await measured { try await AnswerStoreContract.broken(by: $0) }
  }

  @Test func `a contract notices a store that breaks it`() async throws {
    let broken = try await AlertStoreContract.broken(by: Forgetful())
    #expect(broken.contains("what acted and what was resolved is final, what did nothing is not"))
    #expect(broken.count > 3)
  }
}

private typealias ControlStore = PlanStore & CohortStore & OutboxStore & EventHistory & AlertStore
  & TokenStore & ClockStore & AuditStore

/// Keeps nothing.
private struct Forgetful: AlertStore {
  func finalAlerts(
    _ keys: Set<String>, feature: String, action: Alert.Action, sender: String
  ) async throws -> [String: AlertRecord.State] { [:] }
  func keep(_ records: [AlertRecord]) async throws {}
  func alerts(before: Int?, limit: Int, features: Set<String>?) async throws -> [AlertRecord] { [] }
}

import RolloutTesting
import Testing

/// The simulated disk promises what a real one does: what is proved on it is proved of both.
@Suite struct SimulatedContractTests {
  private func store() -> SimulatedStore { SimulatedStore(SimulatedDisk()) }

  @Test func `the simulated disk keeps the promises of every port it stands for`() async throws {
    #expect(try await PlanStoreContract.broken(by: store()) == [])
    #expect(try await CohortStoreContract.broken(by: store()) == [])
    #expect(try await OutboxStoreContract.broken(by: store(), receiver: "hook") == [])
    #expect(try await EventHistoryContract.broken(by: store()) == [])
    #expect(try await AlertStoreContract.broken(by: store()) == [])
    #expect(try await TokenStoreContract.broken(by: store()) == [])
    #expect(try await AuditStoreContract.broken(by: store()) == [])
    #expect(try await ClockStoreContract.broken(by: store()) == [])
  }
}

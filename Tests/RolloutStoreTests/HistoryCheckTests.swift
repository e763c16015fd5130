import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutStore

/// History says itself whether somebody has changed it.
@Suite struct HistoryCheckTests {
  private static let count = 1203

  @Test(
    arguments: [
      "UPDATE plan_event SET reason = 'nobody said that' WHERE id = 700",
      "UPDATE plan_event SET at_ms = at_ms + 1 WHERE id = 700",
      "UPDATE plan_event SET actor = 'token:eve' WHERE id = 700",
      "UPDATE plan_event SET type = 'unheard' WHERE id = 700",
      "UPDATE plan_event SET hash = zeroblob(32) WHERE id = 700",
      "DELETE FROM plan_event WHERE id = 699",
    ])
  func `what was changed is found, wherever it is`(statement: String) async throws {
    let folder = TemporaryFolder()
    let store = try Store(DataDirectory(folder.path), subscriptions: [], now: Samples.start)
    #expect(try await store.checkHistory() == (0, nil))
    for number in 0..<Self.count {
      let definition = PlanDefinition(feature: "f\(number)")
      _ = try await store.commit(Lifecycle.create(definition, Samples.context()), answer: nil)
    }
    #expect(try await store.checkHistory() == (Self.count, nil))
    try await store.database.write { connection in
      try connection.execute("DROP TRIGGER plan_event_is_append_only_update")
      try connection.execute("DROP TRIGGER plan_event_is_append_only_delete")
      try connection.execute(statement)
    }
    let found = try await store.checkHistory()
    #expect(found.firstBroken == 700, "\(found)")
    await store.close()
  }
}

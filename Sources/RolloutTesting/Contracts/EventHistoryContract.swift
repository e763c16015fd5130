package import RolloutCore

/// What every history must do. `store` must be empty and working.
package enum EventHistoryContract {
  package static func broken(
    by store: some EventHistory & OutboxStore & PlanStore
  ) async throws -> [String] {
    var promises = Promises()
    promises.keep(try await store.newestPlace() == .beginning, "nothing has happened at first")
    promises.keep(try await store.oldestPlace() == .beginning, "and nothing is missing")
    var plan = try await OutboxStoreContract.commit(nil, .start, store)
    _ = try await store.append(OutboxStoreContract.notice("one"))
    _ = try await store.append(OutboxStoreContract.notice("two"))
    plan = try await OutboxStoreContract.commit(plan, .start, store)
    var messages: [Message] = []
    var place = MessagePlace.beginning
    for _ in 0..<10 {
      let page = try await store.page(after: place, features: nil)
      messages += page.messages
      place = page.end
      if page.isLast { break }
    }
    let texts = messages.map(\.place.text)
    promises.keep(
      texts == ["1", "1.1", "1.2", "2"], "events and notices have one order (\(texts))")
    promises.keep(
      try await store.newestPlace() == place, "whoever has read all of it stands at the newest")
    let rest = try await store.page(after: MessagePlace(event: 1, notice: 1), features: nil)
    promises.keep(
      rest.messages.map(\.place.text) == ["1.2", "2"], "a reader goes on where they were")
    let strangers = try await store.page(after: .beginning, features: ["b"])
    promises.keep(
      strangers.messages.isEmpty && strangers.end == place, "what is of others is passed over")
    return promises.broken
  }
}

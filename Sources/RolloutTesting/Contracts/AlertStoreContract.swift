package import RolloutCore

/// What every store of alerts must do.
package enum AlertStoreContract {
  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some AlertStore) async throws -> [String] {
    var promises = Promises()
    try await store.keep([
      AlertRecord(.acted, alert("k1"), sender: "t1"),
      AlertRecord(.resolved, alert("k2"), sender: "t1", why: .resolved),
      AlertRecord(.inert, alert("k3"), sender: "t1", why: .held),
    ])
    func known(_ sender: String, _ feature: String = "a", _ action: Alert.Action = .rollback)
      async throws -> [String: AlertRecord.State]
    {
      try await store.finalAlerts(
        ["k1", "k2", "k3"], feature: feature, action: action, sender: sender)
    }
    promises.keep(
      try await known("t1") == ["k1": .acted, "k2": .resolved],
      "what acted and what was resolved is final, what did nothing is not")
    promises.keep(
      try await known("t2") == ["k1": .acted], "what one token says is over, is so for it alone")
    promises.keep(try await known("t1", "b").isEmpty, "another feature is another matter")
    promises.keep(try await known("t1", "a", .kill).isEmpty, "another action is another matter")
    try await folding(store, &promises)
    return promises.broken
  }

  private static func folding(
    _ store: some AlertStore, _ promises: inout Promises
  ) async throws {
    let max = Retention.inertAlertsMax
    for round in 0..<3 {
      try await store.keep(
        (0..<5).map { AlertRecord(.inert, alert("r\(round)-\($0)"), sender: "t", why: .held) })
    }
    let folded = try await store.alerts(before: nil, limit: 1, features: nil).first
    promises.keep(
      folded?.count == 15 && folded?.alert.dedupeKey == "r2-4",
      "what did nothing for the same reason is one row, which shows the last")
    try await store.keep([AlertRecord(.inert, alert("x"), sender: "other", why: .held)])
    try await store.keep(
      (0..<max + 100).map { AlertRecord(.inert, alert("k", "n\($0)"), sender: "t", why: .held) })
    let all = try await store.alerts(before: nil, limit: 3 * max, features: nil)
    promises.keep(all.count { $0.sender == "t" } <= max, "what did nothing is bounded")
    promises.keep(all.contains { $0.sender == "other" }, "the bound is each sender's own")
    promises.keep(all.contains { $0.state == .acted }, "what acted stays")
    promises.keep(
      zip(all, all.dropFirst()).allSatisfy { $0.id > $1.id }, "the newest are listed first")
    promises.keep(
      try await store.alerts(before: nil, limit: 10, features: ["b"]).isEmpty,
      "others' features are left out")
    guard all.count >= 4 else { return }
    let page = try await store.alerts(before: all[1].id, limit: 2, features: nil)
    promises.keep(
      page.map(\.id) == all[2..<4].map(\.id), "a page goes on before the one it is told")
  }

  private static func alert(_ key: String, _ name: String = "High") -> Alert {
    Alert(
      dedupeKey: key, name: name, feature: "a", action: .rollback, reason: "r",
      startsAt: Samples.start, receivedAt: Samples.start)
  }
}

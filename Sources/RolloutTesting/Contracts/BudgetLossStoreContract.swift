package import RolloutCore

/// What every store of lost spending must do.
package enum BudgetLossStoreContract {
  /// The promises that `store` breaks; it must be empty and working, and have lost its spending.
  package static func broken(by store: some BudgetLossStore) async throws -> [String] {
    var promises = Promises()
    let now = Samples.start
    let anna = Actor.token("anna")
    promises.keep(store.loss?.accepted == [], "what was lost is open to nobody at first")
    promises.keep(try await store.acceptances().isEmpty, "and nobody has accepted it")
    try await store.accept("a", actor: anna, reason: "known by heart", at: now)
    promises.keep(store.loss?.accepted == ["a"], "what was accepted is open, and nothing else")
    try await store.accept("a", actor: .anonymous, reason: "again", at: now + .seconds(1))
    promises.keep(store.loss?.accepted == ["a"], "accepting twice is no error")
    try await store.accept(nil, actor: anna, reason: "all", at: now + .seconds(2))
    promises.keep(store.loss == nil, "once all is accepted nothing is lost any more")
    let accepted = try await store.acceptances()
    promises.keep(
      accepted.map(\.reason) == ["all", "again", "known by heart"]
        && accepted.map(\.actor) == [anna, .anonymous, anna]
        && accepted.map(\.budget) == [nil, "a", "a"],
      "who accepted what and why is kept, the newest first")
    return promises.broken
  }
}

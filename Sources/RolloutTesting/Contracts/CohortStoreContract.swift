package import RolloutCore
import RolloutEvaluation

/// What every store of cohorts must do.
package enum CohortStoreContract {
  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some CohortStore) async throws -> [String] {
    var promises = Promises()
    let now = Samples.start
    // Ids are bytes: a NUL, and two spellings that look alike.
    let odd = ["a\u{0}b", "e\u{301}", "\u{e9}"]
    try await store.add(["bob", "anna"] + odd, to: "beta", at: now)
    try await store.add(["anna"], to: "beta", at: now + .seconds(1))
    let all = try await store.members(of: "beta", after: nil, limit: 10)
    let expected = (["anna", "bob"] + odd).map { Array($0.utf8) }
      .sorted { $0.lexicographicallyPrecedes($1) }
    promises.keep(
      all.map { Array($0.utf8) } == expected, "members are listed once, in the order of their bytes"
    )
    let page = try await store.members(of: "beta", after: all.first, limit: 2)
    promises.keep(
      page == Array(all.dropFirst().prefix(2)), "a page goes on after the one it is told")
    try await store.remove("bob", from: "beta")
    try await store.remove("bob", from: "beta")
    try await store.remove("anna", from: "no such cohort")
    let cohorts = try await store.loadCohorts()
    promises.keep(cohorts["beta"]?.count == 4, "who is removed is gone, and twice is no error")
    let anna = Array("anna".utf8)
    promises.keep(
      cohorts["beta"]?.contains(anna.span) == true, "everybody else is loaded with the cohort")
    try await store.add(["carl"], to: "other", at: now)
    try await store.removeAll(from: "beta")
    try await store.removeAll(from: "no such cohort")
    let left = try await store.loadCohorts()
    promises.keep(
      left["beta"] == nil && left["other"]?.count == 1, "a cohort is emptied, and no other one")
    return promises.broken
  }
}

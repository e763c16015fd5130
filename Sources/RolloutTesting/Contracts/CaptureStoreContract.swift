package import RolloutCore

/// What every store of captures must do.
package enum CaptureStoreContract {
  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some CaptureStore) async throws -> [String] {
    var promises = Promises()
    let now = Samples.start
    for number in 1...5 {
      try await store.keep(capture("r\(number)", until: now + .hours(Int64(number))), max: 4)
    }
    try await store.keep(capture("other", "b", until: now + .hours(9)), max: 4)
    func listed(_ before: Int?, _ limit: Int, _ now: Instant) async throws -> [Capture] {
      try await store.captures("a", before: before, limit: limit, sizeMax: 1 << 20, now: now)
    }
    let all = try await listed(nil, 10, now)
    promises.keep(
      all.map(\.request) == ["r5", "r4", "r3"], "the newest are kept, and listed first")
    promises.keep(
      all.first.map { kept in
        var given = capture("r5", until: now + .hours(5))
        given.id = kept.id
        return given == kept
      } == true, "a capture is kept as it was given")
    promises.keep(
      try await listed(all.first?.id, 1, now).map(\.request) == ["r4"],
      "a page goes on before the one it is told")
    let short = try await store.captures("a", before: nil, limit: 10, sizeMax: 1, now: now)
    promises.keep(
      short.map(\.request) == ["r5", "r4"], "after those that fill a page there is one at most")
    let late = now + .hours(3)
    promises.keep(
      try await listed(nil, 10, late).map(\.request) == ["r5", "r4"], "what has expired is gone")
    try await store.deleteExpiredCaptures(now: now + .hours(4))
    promises.keep(
      try await listed(nil, 10, now).map(\.request) == ["r5"],
      "and once it was removed, whatever the clock says then")
    try await store.deleteCaptures("a")
    let others = try await store.captures(
      "b", before: nil, limit: 10, sizeMax: 1 << 20, now: now)
    promises.keep(
      try await listed(nil, 10, now).isEmpty && others.count == 1,
      "a feature's captures are deleted, and no other's")
    return promises.broken
  }

  private static func capture(
    _ request: String, _ feature: String = "a", until end: Instant
  ) -> Capture {
    Capture(
      request: request, feature: feature, stage: "beta", at: Samples.start, expiresAt: end,
      provider: "p", model: "m", prompt: "why\u{0}?", answer: "since", inputTokens: 1,
      outputTokens: 2)
  }
}

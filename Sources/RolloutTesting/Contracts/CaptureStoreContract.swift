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

/// What every store of cached answers must do.
package enum AnswerStoreContract {
  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some AnswerStore) async throws -> [String] {
    var promises = Promises()
    let now = Samples.start
    let answers = (0..<4).map { answer(UInt8($0), at: now + .seconds(Int64($0))) }
    try await store.keep(answers, sizeMax: 1000)
    let all = try await store.loadAnswers(now: now, sizeMax: 1000)
    promises.keep(all == answers.reversed(), "answers are kept as they were given, newest first")
    promises.keep(
      try await store.loadAnswers(now: now, sizeMax: 25) == [answers[3], answers[2]],
      "of more than there is room for the newest are loaded")
    promises.keep(
      try await store.loadAnswers(now: now + .hours(2), sizeMax: 1000).isEmpty,
      "what nobody may be given any more is not loaded")
    var again = answers[0]
    again.text = "another  ."
    again.storedAt = now + .minutes(1)
    try await store.keep([again], sizeMax: 30)
    promises.keep(
      try await store.loadAnswers(now: now, sizeMax: 1000) == [again, answers[3], answers[2]],
      "the same request has one answer, and beyond so many bytes the oldest go")
    try await store.deleteExpiredAnswers(now: now + .hours(2))
    promises.keep(
      try await store.loadAnswers(now: now, sizeMax: 1000).isEmpty, "what has expired is removed")
    return promises.broken
  }

  private static func answer(_ number: UInt8, at now: Instant) -> KeptAnswer {
    KeptAnswer(
      key: Array(repeating: number, count: 32), feature: "a", text: "ten bytes.", model: "m",
      provider: "p", storedAt: now, freshUntil: now + .minutes(1), staleUntil: now + .hours(1))
  }
}

package import RolloutCore

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

package import RolloutCore

/// What every telemetry store must do.
package enum TelemetryStoreContract {
  private static let now = Samples.start

  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some TelemetryStore) async throws -> [String] {
    var promises = Promises()
    try await measured(store, &promises)
    try await series(store, &promises)
    return promises.broken
  }

  private static func measured(
    _ store: some TelemetryStore, _ promises: inout Promises
  ) async throws {
    func state(_ byte: UInt8) -> FeatureState { FeatureState(feature: "a", state: [byte]) }
    func chunk(_ count: Int, _ byte: UInt8) -> OutcomeChunk {
      OutcomeChunk(feature: "a", count: count, at: now, bytes: [byte])
    }
    let seen = SeenIDs(feature: "a", ids: [UInt64.max, 0, 7])
    try await store.save(
      TelemetryChanges(states: [state(1)], chunks: [chunk(2, 1)], ids: [seen]))
    try await store.save(
      TelemetryChanges(
        states: [state(2)], chunks: [chunk(1, 2), chunk(3000, 3)],
        ids: [SeenIDs(feature: "a", ids: [8])]))
    promises.keep(try await store.loadStates() == [state(2)], "of a state the last is kept")
    promises.keep(
      try await store.outcomes("a").flatMap(\.self) == [1, 2, 3], "outcomes are kept in their order"
    )
    promises.keep(try await store.outcomes("b").isEmpty, "and by their feature")
    promises.keep(
      try await store.loadIDs().flatMap(\.ids) == [UInt64.max, 0, 7, 8],
      "ids are kept in their order")
    for byte in 4..<9 as Range<UInt8> {
      try await store.save(TelemetryChanges(chunks: [chunk(Retention.outcomesMax / 4, byte)]))
    }
    promises.keep(
      try await store.outcomes("a").flatMap(\.self) == [5, 6, 7, 8],
      "of more outcomes than are kept the oldest go")
  }

  private static func key(_ step: SeriesStep, _ at: Instant, _ version: Int) -> SeriesKey {
    SeriesKey(step: step, at: at, version: version, stage: "beta", arm: .treatment)
  }

  private static func cell(_ requests: Int) -> SeriesCell {
    var cell = SeriesCell()
    for number in 0..<requests {
      cell.record(
        Outcome(result: .ok, arm: .treatment, user: UInt64(number), at: now, latency: 100))
    }
    return cell
  }

  private static func series(
    _ store: some TelemetryStore, _ promises: inout Promises
  ) async throws {
    let start = SeriesStep.hour.start(of: now)
    let failure = FailureKey(
      step: .tenSeconds, at: start, arm: .treatment, kind: "timeout",
      target: ProviderModel(provider: "p", model: "m"))
    var changes = SeriesChanges()
    changes.cells = [key(.tenSeconds, start, 1): cell(2), key(.tenSeconds, start, 2): cell(3)]
    changes.failures = [failure: 4]
    changes.recent = (0..<3).map {
      RecentFailure(
        at: start + .seconds(Int64($0)), arm: .control,
        note: FailureNote(kind: "k\($0)", requestID: "r\($0)", status: 500), latency: 9)
    }
    for _ in 0..<2 {
      try await store.save(
        TelemetryChanges(series: [FeatureSeries(feature: "s", changes: changes)]))
    }
    let end = start + .hours(1)
    func requests(_ step: SeriesStep, from: Instant, to: Instant) async throws -> [Int] {
      try await store.series("s", from: from, to: to, step: step).values.map(\.requests)
    }
    promises.keep(
      try await requests(.tenSeconds, from: start, to: end) == [10],
      "what happened adds up, and the versions of a stage are one")
    promises.keep(
      try await requests(.tenSeconds, from: end, to: end + .hours(1)).isEmpty,
      "what happened at another time is left out")
    let failed = try await store.failures("s", from: start, to: end, step: .fiveMinutes)
    promises.keep(
      failed.count == 1 && failed.first?.key.kind == "timeout" && failed.first?.value == 8,
      "failures add up by their kind")
    let recent = try await store.recentFailures("s", from: start, to: end, before: nil, limit: 2)
    promises.keep(
      recent.map(\.failure) == [changes.recent[2], changes.recent[1]],
      "the last failures are kept as they were given, the newest first")
    let page = try await store.recentFailures(
      "s", from: start, to: end, before: recent.last?.id, limit: 1)
    promises.keep(
      page.map(\.failure) == [changes.recent[0]], "a page goes on before the one it is told")
    for age in [SeriesStep.tenSeconds.keptFor, SeriesStep.fiveMinutes.keptFor] {
      try await store.ageSeries(now: end + age)
      promises.keep(
        try await requests(.hour, from: start, to: end) == [10],
        "what grows old is kept, and less finely")
    }
    try await store.ageSeries(now: end + SeriesStep.hour.keptFor)
    promises.keep(
      try await requests(.hour, from: start, to: end).isEmpty, "until it is forgotten")
  }
}

package import RolloutCore

/// What every store of the clock must do.
package enum ClockStoreContract {
  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some ClockStore) async throws -> [String] {
    var promises = Promises()
    promises.keep(try await store.loadClock() == nil, "there is no time before the first start")
    let now = Samples.start
    let reading = ClockReading(wall: now, uptime: 5, boot: "b")
    var first = ClockCheckpoint(
      steady: now, reading: reading, lastStep: ClockStep(at: now, milliseconds: -7), latest: now)
    try await store.keep(first)
    promises.keep(try await store.loadClock() == first, "a checkpoint is kept as it was given")
    first.latest = now + .hours(1)
    try await store.keep(first)
    first.lastStep = nil
    first.latest = now
    try await store.keep(first)
    let kept = try await store.loadClock()
    promises.keep(kept?.latest == now + .hours(1), "the latest place never goes back")
    promises.keep(kept?.lastStep == nil, "everything else is as it was said last")
    return promises.broken
  }
}

/// Keeps captures until they expire.
///
/// Promises: what has expired is never given again, and what was deleted is overwritten where it
/// lay; a capture may be lost with the machine's power. Keeping costs the same however many there
/// are; no call is ended by cancelling who waits for it. Throws `StoreError`.
package protocol CaptureStore: Sendable {
  /// Keeps one; expired ones go, and beyond so many the oldest.
  func keep(_ capture: Capture, max: Int) async throws
  /// Those of a feature that have not expired, newest first, with ids below `before`; after those
  /// whose texts have `sizeMax` characters one more at most.
  func captures(
    _ feature: String, before: Int?, limit: Int, sizeMax: Int, now: Instant
  ) async throws -> [Capture]
  func deleteCaptures(_ feature: String) async throws
  func deleteExpiredCaptures(now: Instant) async throws
}

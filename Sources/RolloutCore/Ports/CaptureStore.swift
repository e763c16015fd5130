/// A prompt and its answer, redacted, for people who judge quality.
package struct Capture: Sendable, Equatable {
  /// Grows with time; 0 until it is kept.
  package var id = 0
  package var request: String
  package var feature: String
  package var stage: String
  package var at: Instant
  package var expiresAt: Instant
  package var provider: String
  package var model: String
  package var prompt: String
  package var answer: String
  package var inputTokens: Int
  package var outputTokens: Int

  package init(
    request: String, feature: String, stage: String, at: Instant, expiresAt: Instant,
    provider: String, model: String, prompt: String, answer: String, inputTokens: Int,
    outputTokens: Int
  ) {
    self.request = request
    self.feature = feature
    self.stage = stage
    self.at = at
    self.expiresAt = expiresAt
    self.provider = provider
    self.model = model
    self.prompt = prompt
    self.answer = answer
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
  }
}

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

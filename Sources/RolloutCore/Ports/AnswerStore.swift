/// Keeps answers of the AI path's cache over a restart. A cache: what is lost is asked for again.
///
/// Promises: an answer is given as it was kept or not at all; keeping one again replaces it; a call
/// keeps all of its answers or none, costs in proportion to them and to what has to go, and is not
/// ended by cancelling who waits for it. Throws `StoreError`.
package protocol AnswerStore: Sendable {
  /// Beyond so many bytes of texts the oldest go.
  func keep(_ answers: [KeptAnswer], sizeMax: Int) async throws
  /// Removes a bounded number of those that nobody may be given any more.
  func deleteExpiredAnswers(now: Instant) async throws
  /// What may still be served, newest first, up to so many bytes.
  func loadAnswers(now: Instant, sizeMax: Int) async throws -> [KeptAnswer]
}

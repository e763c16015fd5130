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

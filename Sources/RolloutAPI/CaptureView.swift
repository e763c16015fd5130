package import DocumentKit

/// A prompt and its answer, redacted.
package struct CaptureView: Codable, Sendable {
  package var id: String
  package var requestId: String
  package var feature: String
  package var stage: String
  package var at: String
  package var expiresAt: String
  package var provider: String
  package var model: String
  package var prompt: String
  package var answer: String
  package var inputTokens: Int
  package var outputTokens: Int

  package init(
    id: String, requestId: String, feature: String, stage: String, at: String, expiresAt: String,
    provider: String, model: String, prompt: String, answer: String, inputTokens: Int,
    outputTokens: Int
  ) {
    self.id = id
    self.requestId = requestId
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

/// Captures, newest first, with the cursor of their continuation.
package struct CaptureList: Codable, Sendable {
  package var captures: [CaptureView]
  package var next: Nullable<String>

  package init(captures: [CaptureView], next: String?) {
    self.captures = captures
    self.next = Nullable(next)
  }
}

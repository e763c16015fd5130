package import DocumentKit
package import RolloutCore

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
}

extension CaptureView {
  package init(_ capture: Capture) {
    self.init(
      id: "\(capture.id)", requestId: capture.request, feature: capture.feature,
      stage: capture.stage, at: capture.at.rfc3339, expiresAt: capture.expiresAt.rfc3339,
      provider: capture.provider, model: capture.model, prompt: capture.prompt,
      answer: capture.answer, inputTokens: capture.inputTokens, outputTokens: capture.outputTokens)
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

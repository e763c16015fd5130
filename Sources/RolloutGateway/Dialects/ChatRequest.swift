package import DocumentKit

/// Whose shapes a chat is written in.
package enum ChatDialect: String, Sendable {
  /// OpenAI's chat completions.
  case openai
  /// Anthropic's messages.
  case anthropic
}

/// A chat as its caller wrote it. A provider of the same dialect gets every field as it is; for
/// another one it is translated, and what has no counterpart is named in `dropped`.
package struct ChatRequest: Sendable {
  package var dialect: ChatDialect
  package var body: Document

  package init(_ body: Document, dialect: ChatDialect = .openai) {
    self.body = body
    self.dialect = dialect
  }

  /// Tokens that a target may answer with at most.
  func outputBound(_ target: GatewayConfiguration.Target) -> Int {
    let asked = body["max_completion_tokens"]?.int ?? body["max_tokens"]?.int
    let params = target.params.first { $0.key == "max_tokens" || $0.key == "max_completion_tokens" }
    let choices = max(1, body["n"]?.int ?? 1)
    return max(0, params?.value.int ?? asked ?? Self.maxTokensDefault) * min(choices, 128)
  }

  /// A request without a bound on its answer gets one, so that it cannot cost more than was held
  /// for it.
  package mutating func boundOutput() {
    guard body["max_completion_tokens"]?.int == nil, body["max_tokens"]?.int == nil else { return }
    body.set("max_tokens", .int(Self.maxTokensDefault))
  }

  /// What an answer may take when nobody says.
  static let maxTokensDefault = 4096

  /// In `dialect`, with the parameters that were dropped or clamped on the way.
  func translated(to dialect: ChatDialect) -> (body: Document, dropped: [String]) {
    switch (self.dialect, dialect) {
    case (.openai, .openai), (.anthropic, .anthropic): (body, [])
    case (.openai, .anthropic): RequestTranslation.anthropic(from: body)
    case (.anthropic, .openai): RequestTranslation.openAI(from: body)
    }
  }
}

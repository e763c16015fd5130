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

  /// In `dialect`, with the parameters that were dropped or clamped on the way.
  func translated(to dialect: ChatDialect) -> (body: Document, dropped: [String]) {
    switch (self.dialect, dialect) {
    case (.openai, .openai), (.anthropic, .anthropic): (body, [])
    case (.openai, .anthropic): RequestTranslation.anthropic(from: body)
    case (.anthropic, .openai): RequestTranslation.openAI(from: body)
    }
  }
}

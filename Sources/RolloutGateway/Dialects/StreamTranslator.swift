package import DocumentKit

/// Turns a provider's stream into another dialect's, event by event.
package struct StreamTranslator: Sendable {
  private enum Way: Sendable {
    case toEvents(AnthropicEvents)
    case toChunks(OpenAIChunks)
  }

  private var way: Way

  /// nil where the dialects are the same, and events pass as they are. `created` is seconds since
  /// 1970.
  package init?(from source: ChatDialect, to target: ChatDialect, created: Int) {
    switch (source, target) {
    case (.openai, .anthropic): way = .toEvents(AnthropicEvents())
    case (.anthropic, .openai): way = .toChunks(OpenAIChunks(created: created))
    case (.openai, .openai), (.anthropic, .anthropic): return nil
    }
  }

  /// What goes to the caller for an event of the provider; may be nothing.
  package mutating func events(for event: Document) -> [Document] {
    switch way {
    case .toEvents(var events):
      defer { way = .toEvents(events) }
      return events.events(for: event)
    case .toChunks(var chunks):
      defer { way = .toChunks(chunks) }
      return chunks.chunks(for: event)
    }
  }

  /// What ends a whole answer, where the dialect has events for it.
  package mutating func end() -> [Document] {
    guard case .toEvents(var events) = way else { return [] }
    return events.end()
  }
}

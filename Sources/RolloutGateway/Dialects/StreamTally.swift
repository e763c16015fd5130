package import DocumentKit

/// What is counted of a provider's stream while it passes: what was used, and its text where
/// somebody wants it.
package struct StreamTally: Sendable {
  private let dialect: ChatDialect
  /// What the provider said it used so far.
  private var counts = UsageCounts()
  /// Bytes of text that are kept.
  private let textSizeMax: Int

  /// Nil as long as the provider has not said all of it.
  package var usage: Usage? { counts.usage }
  /// The text so far; nil once the answer is more than text, longer than is kept, or cut short.
  package private(set) var text: String?

  /// `textSizeMax` is how many bytes of text somebody wants to have in the end.
  package init(_ dialect: ChatDialect, textSizeMax: Int = 0) {
    self.dialect = dialect
    self.textSizeMax = textSizeMax
    text = textSizeMax > 0 ? "" : nil
  }

  /// Takes note of an event in the provider's dialect.
  package mutating func note(_ event: RawValue) {
    if text != nil { noteText(event) }
    let found =
      dialect == .openai ? event["usage"] : event["usage"] ?? event["message"]?["usage"]
    guard let found, !found.isNull else { return }
    var more = UsageCounts(found.document, dialect)
    // Anthropic's later counts may leave out, or put at zero, the input that the first one told.
    if more.inputTokens == 0, counts.inputTokens != nil { more.inputTokens = nil }
    counts.merge(more)
  }

  private mutating func noteText(_ event: RawValue) {
    let choice = dialect == .openai ? event["choices"]?.elements.first : nil
    let delta = dialect == .openai ? choice?["delta"] : event["delta"]
    let more = (dialect == .openai ? delta?["content"] : delta?["text"])?.string
    if let more, let size = text?.utf8.count {
      if size + more.utf8.count <= textSizeMax { text?.append(more) } else { text = nil }
    }
    let stop = (dialect == .openai ? choice?["finish_reason"] : delta?["stop_reason"])?.string
    let isTool =
      dialect == .openai
      ? delta?["tool_calls"]?.isNull == false
      : event["content_block"]?["type"]?.string == "tool_use"
    if isTool || stop.map({ !["stop", "end_turn", "stop_sequence"].contains($0) }) == true {
      text = nil
    }
  }
}

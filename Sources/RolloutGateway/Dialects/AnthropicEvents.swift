package import DocumentKit

/// Chat completion chunks into Anthropic's events, one stream at a time.
package struct AnthropicEvents: Sendable {
  private var hasBegun = false
  /// The open content block: its index, and the tool call it belongs to (nil for text).
  private var open: (index: Int, tool: Int?)?
  private var blocks = 0
  private var finish: String?
  private var usage: Document?

  package init() {}

  /// The events that a chunk becomes; none for what Anthropic has no word for.
  package mutating func events(for chunk: Document) -> [Document] {
    var events: [Document] = []
    if !hasBegun { events.append(begin(chunk)) }
    if let used = chunk["usage"], !used.isNull { usage = used }
    guard let choice = chunk["choices"]?.array?.first else { return events }
    if let text = choice["delta"]?["content"]?.string, !text.isEmpty {
      events += enter(tool: nil, .object(["type": .string("text"), "text": .string("")]))
      events.append(delta(.object(["type": .string("text_delta"), "text": .string(text)])))
    }
    for call in choice["delta"]?["tool_calls"]?.array ?? [] { events += self.call(call) }
    if let reason = choice["finish_reason"]?.string { finish = reason }
    return events
  }

  /// The events that end a whole answer.
  package mutating func end() -> [Document] {
    var events = close()
    events.append(
      .object([
        "type": .string("message_delta"),
        "delta": .object([
          "stop_reason": .string(AnswerTranslation.stopReason(finish)), "stop_sequence": .null,
        ]),
        "usage": AnswerTranslation.anthropicUsage(usage),
      ]))
    events.append(.object(["type": .string("message_stop")]))
    return events
  }

  private mutating func begin(_ chunk: Document) -> Document {
    hasBegun = true
    return .object([
      "type": .string("message_start"),
      "message": .object([
        "id": .string(AnswerTranslation.messageID(chunk["id"]?.string)),
        "type": .string("message"), "role": .string("assistant"),
        "model": chunk["model"] ?? .string(""), "content": .array([]), "stop_reason": .null,
        "stop_sequence": .null, "usage": AnswerTranslation.anthropicUsage(nil),
      ]),
    ])
  }

  private mutating func call(_ call: Document) -> [Document] {
    let number = call["index"]?.int ?? 0
    var events: [Document] = []
    if open?.tool != number || open == nil {
      events += enter(
        tool: number,
        .object([
          "type": .string("tool_use"), "id": call["id"] ?? .string(""),
          "name": call["function"]?["name"] ?? .string(""), "input": .object([:]),
        ]))
    }
    if let part = call["function"]?["arguments"]?.string, !part.isEmpty {
      events.append(
        delta(.object(["type": .string("input_json_delta"), "partial_json": .string(part)])))
    }
    return events
  }

  /// Opens a block unless it is open already.
  private mutating func enter(tool: Int?, _ block: Document) -> [Document] {
    if let open, open.tool == tool { return [] }
    var events = close()
    open = (blocks, tool)
    blocks += 1
    events.append(
      .object([
        "type": .string("content_block_start"), "index": .int(blocks - 1), "content_block": block,
      ]))
    return events
  }

  private func delta(_ delta: Document) -> Document {
    .object([
      "type": .string("content_block_delta"), "index": .int(open?.index ?? 0), "delta": delta,
    ])
  }

  private mutating func close() -> [Document] {
    guard let open else { return [] }
    self.open = nil
    return [.object(["type": .string("content_block_stop"), "index": .int(open.index)])]
  }
}

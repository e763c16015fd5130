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

/// Anthropic's events into chat completion chunks, one stream at a time.
package struct OpenAIChunks: Sendable {
  private let created: Int
  private var id = ""
  private var model = ""
  private var tools = 0
  private var usage: Document?

  /// `created` is seconds since 1970.
  package init(created: Int) { self.created = created }

  /// The chunks that an event becomes; none for pings and what OpenAI has no word for.
  package mutating func chunks(for event: Document) -> [Document] {
    switch event["type"]?.string {
    case "message_start":
      id = "chatcmpl-\(event["message"]?["id"]?.string ?? "")"
      model = event["message"]?["model"]?.string ?? ""
      usage = event["message"]?["usage"]
      return [chunk(.object(["role": .string("assistant"), "content": .string("")]))]
    case "content_block_start":
      guard event["content_block"]?["type"]?.string == "tool_use" else { return [] }
      tools += 1
      return [toolChunk(event["content_block"], arguments: "")]
    case "content_block_delta":
      if let text = event["delta"]?["text"]?.string {
        return [chunk(.object(["content": .string(text)]))]
      }
      guard let part = event["delta"]?["partial_json"]?.string else { return [] }
      return [toolChunk(nil, arguments: part)]
    case "message_delta":
      // Cumulative, and what is absent has not changed.
      merge(event["usage"])
      guard let reason = event["delta"]?["stop_reason"]?.string else { return [] }
      return [chunk(.object([:]), finish: AnswerTranslation.finishReason(reason))]
    case "message_stop":
      return [base(choices: [], usage: AnswerTranslation.openAIUsage(usage))]
    default: return []
    }
  }

  private mutating func merge(_ more: Document?) {
    guard let members = more?.members else { return }
    var merged = usage ?? .object([:])
    for member in members where !member.value.isNull { merged.set(member.key, member.value) }
    usage = merged
  }

  private func toolChunk(_ block: Document?, arguments: String) -> Document {
    chunk(
      .object([
        "tool_calls": .array([
          .object([
            "index": .int(max(0, tools - 1)), "id": block?["id"],
            "type": block == nil ? nil : .string("function"),
            "function": .object([
              "name": block?["name"], "arguments": .string(arguments),
            ]),
          ])
        ])
      ]))
  }

  private func chunk(_ delta: Document, finish: String? = nil) -> Document {
    base(
      choices: [
        .object([
          "index": .int(0), "delta": delta,
          "finish_reason": finish.map { .string($0) } ?? .null,
        ])
      ], usage: nil)
  }

  private func base(choices: [Document], usage: Document?) -> Document {
    .object([
      "id": .string(id), "object": .string("chat.completion.chunk"), "created": .int(created),
      "model": .string(model), "choices": .array(choices), "usage": usage,
    ])
  }
}

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

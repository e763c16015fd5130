package import DocumentKit

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

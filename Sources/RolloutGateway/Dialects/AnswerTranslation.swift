package import DocumentKit

/// Whole answers from one dialect into the other.
package enum AnswerTranslation {
  /// A chat completion as an Anthropic message.
  package static func anthropic(from answer: Document) -> Document {
    let choice = answer["choices"]?.array?.first
    let message = choice?["message"]
    var blocks: [Document] = []
    if let text = message?["content"]?.string ?? message?["refusal"]?.string, !text.isEmpty {
      blocks.append(.object(["type": .string("text"), "text": .string(text)]))
    }
    blocks += (message?["tool_calls"]?.array ?? []).map(RequestTranslation.toolUse)
    return .object([
      "id": .string(messageID(answer["id"]?.string)), "type": .string("message"),
      "role": .string("assistant"), "model": answer["model"] ?? .string(""),
      "content": .array(blocks),
      "stop_reason": .string(stopReason(choice?["finish_reason"]?.string)),
      "stop_sequence": .null, "usage": anthropicUsage(answer["usage"]),
    ])
  }

  /// An Anthropic message as a chat completion.
  package static func openAI(from answer: Document, created: Int) -> Document {
    let blocks = answer["content"]?.array ?? []
    let text = blocks.filter { $0["type"]?.string == "text" }.compactMap { $0["text"]?.string }
      .joined()
    let calls = blocks.filter { $0["type"]?.string == "tool_use" }
      .map(RequestTranslation.toolCall)
    return .object([
      "id": .string("chatcmpl-\(answer["id"]?.string ?? "")"),
      "object": .string("chat.completion"), "created": .int(created),
      "model": answer["model"] ?? .string(""),
      "choices": .array([
        .object([
          "index": .int(0),
          "message": .object([
            "role": .string("assistant"),
            "content": text.isEmpty && !calls.isEmpty ? .null : .string(text), "refusal": .null,
            "tool_calls": calls.isEmpty ? nil : .array(calls),
          ]),
          "logprobs": .null,
          "finish_reason": .string(finishReason(answer["stop_reason"]?.string)),
        ])
      ]),
      "usage": openAIUsage(answer["usage"]),
    ])
  }

  static func messageID(_ id: String?) -> String { "msg_" + (id ?? "").replacing("-", with: "_") }

  /// Anything unknown counts as an ordinary end: a new word must never fail an answer.
  static func stopReason(_ finish: String?) -> String {
    switch finish {
    case "length": "max_tokens"
    case "tool_calls", "function_call": "tool_use"
    case "content_filter": "refusal"
    default: "end_turn"
    }
  }

  static func finishReason(_ stop: String?) -> String {
    switch stop {
    case "max_tokens", "model_context_window_exceeded": "length"
    case "tool_use": "tool_calls"
    case "refusal": "content_filter"
    default: "stop"
    }
  }

  /// Prompt tokens include what was read from a cache; Anthropic's input tokens do not.
  static func anthropicUsage(_ usage: Document?) -> Document {
    let cached = Usage.count(usage?["prompt_tokens_details"]?["cached_tokens"]) ?? 0
    let prompt = Usage.count(usage?["prompt_tokens"]) ?? 0
    return .object([
      "input_tokens": .int(max(0, prompt - cached)), "cache_creation_input_tokens": .int(0),
      "cache_read_input_tokens": .int(cached),
      "output_tokens": .int(Usage.count(usage?["completion_tokens"]) ?? 0),
    ])
  }

  static func openAIUsage(_ usage: Document?) -> Document {
    let read = Usage.count(usage?["cache_read_input_tokens"]) ?? 0
    let counts = UsageCounts(usage, .anthropic)
    let input = counts.inputTokens ?? 0
    let output = counts.outputTokens ?? 0
    return .object([
      "prompt_tokens": .int(input), "completion_tokens": .int(output),
      "total_tokens": .int(input + output),
      "prompt_tokens_details": .object(["cached_tokens": .int(read)]),
    ])
  }
}

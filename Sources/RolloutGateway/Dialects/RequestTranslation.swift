import DocumentKit
import RolloutCore

/// Chat requests from one dialect into the other.
enum RequestTranslation {
  // MARK: OpenAI → Anthropic

  /// `bound` is the largest that the request names for its answer.
  static func anthropic(
    from body: Document, _ bound: Int?
  ) -> (body: Document, dropped: [String]) {
    var dropped: [String] = []
    var members: [Document.Member] = []
    func set(_ key: String, _ value: Document?) {
      if let value { members.append(.init(key: key, value: value)) }
    }
    let (system, messages) = anthropicMessages(body["messages"]?.array ?? [])
    set("system", system)
    set("messages", .array(messages))
    set("max_tokens", .int(bound ?? OutputBound.tokensDefault))
    for member in body.members ?? [] where !member.value.isNull {
      let value = member.value
      switch member.key {
      case "messages", "model", "stream_options", "tool_choice", "parallel_tool_calls":
        continue
      case let key where OutputBound.boundKeys.contains(key): continue
      case "stream", "top_p": set(member.key, value)
      case "temperature":
        let warm = (value.double ?? 0) > 1
        if warm { dropped.append("temperature") }
        set("temperature", warm ? .int(1) : value)
      case "stop": set("stop_sequences", value.array == nil ? .array([value]) : value)
      case "tools": set("tools", .array((value.array ?? []).compactMap(anthropicTool)))
      case "user", "safety_identifier":
        guard !members.contains(where: { $0.key == "metadata" }), let user = value.string else {
          continue
        }
        set("metadata", .object(["user_id": .string(pseudonym(user))]))
      case "reasoning_effort": set("output_config", .object(["effort": value]))
      case "response_format":
        if let schema = value["json_schema"]?["schema"] {
          let format = Document.object(["type": .string("json_schema"), "schema": schema])
          members.removeAll { $0.key == "output_config" }
          set("output_config", .object(["format": format]))
        } else if value["type"]?.string != "text" {
          dropped.append(member.key)
        }
      case "n" where value.int == 1: continue
      default: dropped.append(member.key)
      }
    }
    set("tool_choice", anthropicToolChoice(body))
    return (Document(.object(members)), dropped)
  }

  private static func anthropicMessages(_ list: [Document]) -> (Document?, [Document]) {
    var system: [Document] = []
    var messages: [Document] = []
    var results: [Document] = []
    func flush() {
      guard !results.isEmpty else { return }
      messages.append(.object(["role": .string("user"), "content": .array(results)]))
      results = []
    }
    for message in list {
      let content = message["content"] ?? .null
      switch message["role"]?.string {
      case "system", "developer":
        system.append(textBlock(ChatChunk.text(content)))
      case "tool":
        // All answers to one turn's calls go into one message.
        results.append(
          .object([
            "type": .string("tool_result"), "tool_use_id": message["tool_call_id"] ?? .string(""),
            "content": .string(ChatChunk.text(content)),
          ]))
      case "assistant":
        flush()
        messages.append(
          .object([
            "role": .string("assistant"), "content": .array(assistantBlocks(message, content)),
          ]))
      default:
        flush()
        messages.append(
          .object(["role": .string("user"), "content": .array(userBlocks(content))]))
      }
    }
    flush()
    return (system.isEmpty ? nil : .array(system), messages)
  }

  private static func textBlock(_ text: String) -> Document {
    .object(["type": .string("text"), "text": .string(text)])
  }

  private static func userBlocks(_ content: Document) -> [Document] {
    guard let parts = content.array else { return [textBlock(content.string ?? "")] }
    return parts.compactMap { part in
      if let text = part["text"]?.string { return textBlock(text) }
      guard let url = part["image_url"]?["url"]?.string else { return nil }
      return .object(["type": .string("image"), "source": imageSource(url)])
    }
  }

  /// `data:image/png;base64,…` is sent along; anything else is for Anthropic to fetch.
  private static func imageSource(_ url: String) -> Document {
    let parts = url.split(separator: ",", maxSplits: 1)
    guard url.hasPrefix("data:"), parts.count == 2, parts[0].hasSuffix(";base64") else {
      return .object(["type": .string("url"), "url": .string(url)])
    }
    return .object([
      "type": .string("base64"),
      "media_type": .string(String(parts[0].dropFirst(5).dropLast(7))),
      "data": .string(String(parts[1])),
    ])
  }

  private static func assistantBlocks(_ message: Document, _ content: Document) -> [Document] {
    let text = ChatChunk.text(content)
    let calls = (message["tool_calls"]?.array ?? []).map(toolUse)
    return (text.isEmpty && !calls.isEmpty ? [] : [textBlock(text)]) + calls
  }

  /// A tool call as Anthropic's block; arguments that are no JSON object become an empty one.
  static func toolUse(_ call: Document) -> Document {
    let arguments = call["function"]?["arguments"]?.string ?? "{}"
    let input = try? JSONReader.read(Array(arguments.utf8))
    return .object([
      "type": .string("tool_use"), "id": call["id"] ?? .string(""),
      "name": call["function"]?["name"] ?? .string(""),
      "input": input?.members == nil ? .object([:]) : input,
    ])
  }

  private static func anthropicTool(_ tool: Document) -> Document? {
    guard let function = tool["function"] else { return nil }
    return .object([
      "name": function["name"], "description": function["description"],
      "input_schema": function["parameters"] ?? .object(["type": .string("object")]),
      "strict": function["strict"],
    ])
  }

  private static func anthropicToolChoice(_ body: Document) -> Document? {
    let single = body["parallel_tool_calls"]?.bool == false
    guard let tools = body["tools"]?.array, !tools.isEmpty else { return nil }
    var choice: Document
    switch body["tool_choice"]?.string {
    case "required": choice = .object(["type": .string("any")])
    case "none": choice = .object(["type": .string("none")])
    case "auto": choice = .object(["type": .string("auto")])
    default:
      if let name = body["tool_choice"]?["function"]?["name"] {
        choice = .object(["type": .string("tool"), "name": name])
      } else if single {
        choice = .object(["type": .string("auto")])
      } else {
        return nil
      }
    }
    if single { choice.set("disable_parallel_tool_use", .bool(true)) }
    return choice
  }

  /// Providers need to tell users apart, not to know them.
  private static func pseudonym(_ user: String) -> String {
    "u_" + String(Outcome.hash(user: user), radix: 16)
  }

  // MARK: Anthropic → OpenAI

  static func openAI(from body: Document) -> (body: Document, dropped: [String]) {
    var dropped: [String] = []
    var members: [Document.Member] = []
    func set(_ key: String, _ value: Document?) {
      if let value { members.append(.init(key: key, value: value)) }
    }
    var messages: [Document] = []
    if let system = body["system"], !system.isNull {
      messages.append(
        .object(["role": .string("system"), "content": .string(ChatChunk.text(system))]))
    }
    for message in body["messages"]?.array ?? [] { messages += openAIMessages(message) }
    set("messages", .array(messages))
    for member in body.members ?? [] where !member.value.isNull {
      let value = member.value
      switch member.key {
      case "messages", "model", "system": continue
      case "max_tokens", "temperature", "top_p", "stream": set(member.key, value)
      case "stop_sequences": set("stop", value)
      case "tools": set("tools", .array((value.array ?? []).map(openAITool)))
      case "tool_choice":
        set("tool_choice", openAIToolChoice(value))
        if value["disable_parallel_tool_use"]?.bool == true {
          set("parallel_tool_calls", .bool(false))
        }
      case "metadata": set("user", value["user_id"])
      case "output_config":
        set("reasoning_effort", value["effort"])
        if let schema = value["format"]?["schema"] {
          let named = Document.object(["name": .string("answer"), "schema": schema])
          set(
            "response_format",
            .object(["type": .string("json_schema"), "json_schema": named]))
        }
      default: dropped.append(member.key)
      }
    }
    return (Document(.object(members)), dropped)
  }

  /// One message may hold tool results, each of which is a message of its own here.
  private static func openAIMessages(_ message: Document) -> [Document] {
    let role = message["role"] ?? .string("user")
    guard let blocks = message["content"]?.array else {
      return [.object(["role": role, "content": message["content"] ?? .string("")])]
    }
    var results: [Document] = []
    var parts: [Document] = []
    var calls: [Document] = []
    for block in blocks {
      switch block["type"]?.string {
      case "tool_result":
        results.append(
          .object([
            "role": .string("tool"), "tool_call_id": block["tool_use_id"],
            "content": .string(ChatChunk.text(block["content"] ?? .null)),
          ]))
      case "tool_use": calls.append(toolCall(block))
      case "text": parts.append(block)
      case "image":
        parts.append(
          .object([
            "type": .string("image_url"),
            "image_url": .object(["url": .string(imageURL(block["source"]))]),
          ]))
      default: continue
      }
    }
    guard !parts.isEmpty || !calls.isEmpty else { return results }
    let onlyText = parts.allSatisfy { $0["type"]?.string == "text" }
    let text = parts.compactMap { $0["text"]?.string }.joined()
    let content: Document =
      parts.isEmpty
      ? .null : onlyText ? .string(text) : .array(parts.map(withoutCacheControl))
    return results + [
      .object([
        "role": role, "content": content, "tool_calls": calls.isEmpty ? nil : .array(calls),
      ])
    ]
  }

  private static func withoutCacheControl(_ part: Document) -> Document {
    var part = part
    part.remove("cache_control")
    return part
  }

  private static func imageURL(_ source: Document?) -> String {
    if let url = source?["url"]?.string { return url }
    let type = source?["media_type"]?.string ?? "image/png"
    return "data:\(type);base64,\(source?["data"]?.string ?? "")"
  }

  static func toolCall(_ block: Document) -> Document {
    .object([
      "id": block["id"], "type": .string("function"),
      "function": .object([
        "name": block["name"],
        "arguments": .string((block["input"] ?? .object([:])).jsonText),
      ]),
    ])
  }

  private static func openAITool(_ tool: Document) -> Document {
    .object([
      "type": .string("function"),
      "function": .object([
        "name": tool["name"], "description": tool["description"],
        "parameters": tool["input_schema"], "strict": tool["strict"],
      ]),
    ])
  }

  private static func openAIToolChoice(_ choice: Document) -> Document? {
    switch choice["type"]?.string {
    case "any": .string("required")
    case "none": .string("none")
    case "auto": .string("auto")
    case "tool":
      .object([
        "type": .string("function"), "function": .object(["name": choice["name"]]),
      ])
    default: nil
    }
  }
}

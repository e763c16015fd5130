import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway

/// What a caller of one dialect reads: answers, streams, fallbacks, errors.
struct ChatShapes: Sendable {
  /// The model name of an answer that no model made.
  static let fallbackModel = "rollout-fallback"

  let dialect: ChatDialect

  // MARK: Errors

  func error(
    _ problem: Problem, _ headers: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    .json(
      errorBody(problem.detail, status: problem.status, code: problem.code),
      status: problem.status, headers: headers)
  }

  private func errorBody(
    _ message: String, status: Int, code: String?, type: String? = nil
  ) -> Document {
    switch dialect {
    case .openai:
      .object([
        "error": .object([
          "message": .string(message), "type": .string(type ?? openAIType(status)), "param": .null,
          "code": code.map { .string($0) } ?? .null,
        ])
      ])
    case .anthropic:
      .object([
        "type": .string("error"),
        "error": .object([
          "type": .string(type ?? anthropicType(status)), "message": .string(message),
        ]),
      ])
    }
  }

  private func openAIType(_ status: Int) -> String {
    switch status {
    case 401: "authentication_error"
    case 403: "permission_error"
    case 404: "not_found_error"
    case 429: "rate_limit_error"
    case 400..<500: "invalid_request_error"
    default: "api_error"
    }
  }

  private func anthropicType(_ status: Int) -> String {
    switch status {
    case 401: "authentication_error"
    case 402: "billing_error"
    case 403: "permission_error"
    case 404: "not_found_error"
    case 413: "request_too_large"
    case 429: "rate_limit_error"
    case 400..<500: "invalid_request_error"
    case 504: "timeout_error"
    case 529: "overloaded_error"
    default: "api_error"
    }
  }

  /// No target answered and the plan has no fallback. A provider's own 401 or 402 is never passed
  /// on: it is our configuration that failed, not the caller.
  func failure(_ exhausted: Gateway.Exhausted, _ call: ChatCall) -> HTTPResponse {
    var headers = call.headers(.refused(exhausted.reason))
    headers.append(("x-rollout-attempts", String(exhausted.attempts)))
    var message = "No provider answered (\(exhausted.last.word)); try again."
    func retry(after seconds: Double?) {
      let seconds = max(1, Int(min(seconds ?? 1, 86_400).rounded(.up)))
      headers.append(("Retry-After", "\(seconds)"))
      message = "No provider has room (\(exhausted.last.word)); try again in \(seconds) s."
    }
    let status: Int
    switch exhausted.last {
    case .throttled(let seconds):
      status = 429
      retry(after: seconds)
    case .limited(let limit, let seconds):
      status = limit == .queue ? 503 : 429
      headers.append(("x-rollout-limit", limit.rawValue))
      retry(after: seconds)
    case _ where exhausted.deadlinePassed, .timeout: status = 504
    case .overloaded where dialect == .anthropic: status = 529
    default: status = 502
    }
    return .json(
      errorBody(message, status: status, code: exhausted.last.word), status: status,
      headers: headers)
  }

  // MARK: Whole answers

  /// The provider's answer in the caller's dialect; as it came where that is the same.
  func answer(_ completion: Gateway.Completion, at now: Instant) -> [UInt8] {
    completion.dialect == dialect
      ? completion.body.bytes : answerDocument(completion, at: now).json
  }

  /// The same as a value.
  func answerDocument(_ completion: Gateway.Completion, at now: Instant) -> Document {
    // The gateway has taken the answer for one; a key that stands twice inside leaves an empty one.
    let body = (try? completion.body.document()) ?? .object([:])
    return switch (completion.dialect, dialect) {
    case (.openai, .openai), (.anthropic, .anthropic): body
    case (.openai, .anthropic): AnswerTranslation.anthropic(from: body)
    case (.anthropic, .openai):
      AnswerTranslation.openAI(from: body, created: Int(now.milliseconds / 1000))
    }
  }

  /// An answer of ours: the plan's fallback, or one that was given before.
  func made(_ call: ChatCall, _ text: String, model: String = fallbackModel) -> Document {
    let completion = Document.object([
      "id": .string("chatcmpl-\(call.requestID)"),
      "object": .string("chat.completion"),
      "created": .int(call.plan.plan.updatedAt.wall.milliseconds / 1000),
      "model": .string(model),
      "choices": .array([
        .object([
          "index": .int(0),
          "message": .object(["role": .string("assistant"), "content": .string(text)]),
          "logprobs": .null,
          "finish_reason": .string("stop"),
        ])
      ]),
      "usage": Self.noUsage,
    ])
    return dialect == .openai ? completion : AnswerTranslation.anthropic(from: completion)
  }

  private static let noUsage = Document.object([
    "prompt_tokens": .int(0), "completion_tokens": .int(0), "total_tokens": .int(0),
  ])

  // MARK: Streams

  /// The same as a stream.
  func madeStream(
    _ call: ChatCall, _ text: String, model: String = fallbackModel, wantsUsage: Bool
  ) -> [[UInt8]] {
    let chunks = ChatChunk(
      id: "chatcmpl-\(call.requestID)",
      created: Int(call.plan.plan.updatedAt.wall.milliseconds / 1000),
      model: model
    ).answer(ChatChunk.pieces(of: text), usage: wantsUsage ? Self.noUsage : nil)
    var writer = ChatStreamWriter(
      self, from: .openai, wantsUsage: wantsUsage, at: call.arrivedAt.wall)
    return chunks.map { writer.frames(for: $0) } + [writer.end()]
  }

  /// A stream that broke off: the dialect's error, and no proper end.
  var interruption: [UInt8] {
    let message = "The provider's stream broke off; the answer is incomplete."
    switch dialect {
    case .openai:
      return frame(
        errorBody(message, status: 502, code: nil, type: "upstream_stream_interrupted"))
    case .anthropic: return frame(errorBody(message, status: 502, code: nil))
    }
  }

  func frame(_ document: Document) -> [UInt8] {
    let data = Array("data: ".utf8) + document.json + Array("\n\n".utf8)
    guard dialect == .anthropic, let type = document["type"]?.string else { return data }
    return Array("event: \(type)\n".utf8) + data
  }
}

/// Turns a provider's stream into the caller's, event by event.
struct ChatStreamWriter: Sendable {
  private enum Translation: Sendable {
    case none
    case events(AnthropicEvents)
    case chunks(OpenAIChunks)
  }

  private let shapes: ChatShapes
  private let wantsUsage: Bool
  private var translation: Translation
  /// What the provider said it used so far.
  private var counts = UsageCounts()
  /// Nil as long as the provider has not said all of it.
  var usage: Usage? { counts.usage }
  /// The text so far; nil once the answer is more than text, longer than is kept, or cut short.
  private(set) var text: String?
  /// Bytes of text that are kept.
  private let textSizeMax: Int
  private let source: ChatDialect

  /// `textSizeMax` is how many bytes of text somebody wants to have in the end.
  init(
    _ shapes: ChatShapes, from source: ChatDialect, wantsUsage: Bool, textSizeMax: Int = 0,
    at now: Instant
  ) {
    self.shapes = shapes
    self.textSizeMax = textSizeMax
    text = textSizeMax > 0 ? "" : nil
    self.source = source
    self.wantsUsage = wantsUsage
    switch (source, shapes.dialect) {
    case (.openai, .anthropic): translation = .events(AnthropicEvents())
    case (.anthropic, .openai):
      translation = .chunks(OpenAIChunks(created: Int(now.milliseconds / 1000)))
    default: translation = .none
    }
  }

  /// What goes to the client for an event of the provider; may be nothing.
  mutating func frames(for event: Document) -> [UInt8] {
    note(event)
    switch translation {
    case .none: return shapes.dialect == .openai ? openAI([event]) : shapes.frame(event)
    case .events(var events):
      let made = events.events(for: event)
      translation = .events(events)
      return made.flatMap(shapes.frame)
    case .chunks(var chunks):
      let made = chunks.chunks(for: event)
      translation = .chunks(chunks)
      return openAI(made)
    }
  }

  /// The proper end.
  mutating func end() -> [UInt8] {
    if case .events(var events) = translation { return events.end().flatMap(shapes.frame) }
    return shapes.dialect == .openai ? Array("data: [DONE]\n\n".utf8) : []
  }

  /// We asked for usage on our own account; the caller may not have.
  private func openAI(_ chunks: [Document]) -> [UInt8] {
    chunks.flatMap { chunk -> [UInt8] in
      guard !wantsUsage else { return shapes.frame(chunk) }
      if chunk["choices"]?.array?.isEmpty == true, chunk["usage"]?.isNull == false { return [] }
      var chunk = chunk
      chunk.remove("usage")
      return shapes.frame(chunk)
    }
  }

  private mutating func note(_ event: Document) {
    noteText(event)
    let found = source == .openai ? event["usage"] : event["usage"] ?? event["message"]?["usage"]
    var more = UsageCounts(found, source)
    // Anthropic's later counts may leave out, or put at zero, the input that the first one told.
    if more.inputTokens == 0, counts.inputTokens != nil { more.inputTokens = nil }
    counts.merge(more)
  }

  private mutating func noteText(_ event: Document) {
    let choice = event["choices"]?.array?.first
    let delta = source == .openai ? choice?["delta"] : event["delta"]
    let more = source == .openai ? delta?["content"]?.string : delta?["text"]?.string
    if let more, let size = text?.utf8.count {
      if size + more.utf8.count <= textSizeMax { text?.append(more) } else { text = nil }
    }
    let stop = choice?["finish_reason"]?.string ?? delta?["stop_reason"]?.string
    let isTool =
      delta?["tool_calls"]?.isNull == false || event["content_block"]?["type"]?.string == "tool_use"
    if isTool || stop.map({ !["stop", "end_turn", "stop_sequence"].contains($0) }) == true {
      text = nil
    }
  }
}

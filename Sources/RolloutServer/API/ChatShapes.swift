import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutGateway

/// What a caller of one dialect reads: answers, streams, fallbacks, errors.
struct ChatShapes: Sendable {
  /// The model name of an answer that no model made.
  private static let fallbackModel = "rollout-fallback"

  let dialect: ChatDialect

  // MARK: Whole answers

  func response(_ call: AICall, _ answer: AIAnswer, at now: Instant) -> HTTPResponse {
    let headers = call.headers(answer)
    switch answer {
    case .provider(let completion):
      return HTTPResponse(status: 200, headers: headers, body: bytes(completion, at: now))
    case .cached(let cached, _, _):
      return .json(made(call, cached.text, model: cached.model), headers: headers)
    case .fallback(let text, _, _): return .json(made(call, text), headers: headers)
    case .none(let why):
      return Dialect(dialect).written(why.problem(of: call.feature, for: dialect), headers)
    }
  }

  /// The provider's answer in the caller's dialect; as it came where that is the same.
  private func bytes(_ completion: Gateway.Completion, at now: Instant) -> [UInt8] {
    completion.dialect == dialect
      ? completion.body.bytes : document(completion, at: now).json
  }

  /// The same as a value.
  func document(_ completion: Gateway.Completion, at now: Instant) -> Document {
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
  private func made(
    _ call: AICall, _ text: String, model: String = fallbackModel
  ) -> Document {
    let completion = Document.object([
      "id": .string("chatcmpl-\(call.requestID)"),
      "object": .string("chat.completion"),
      "created": .int(call.compiled.plan.updatedAt.wall.milliseconds / 1000),
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

  /// An answer of ours as a stream; nil for what is answered whole whatever was asked for.
  func stream(_ call: AICall, _ answer: AIAnswer) -> [[UInt8]]? {
    switch answer {
    case .cached(let cached, _, _): madeStream(call, cached.text, model: cached.model)
    case .fallback(let text, _, _): madeStream(call, text, model: Self.fallbackModel)
    case .provider, .none: nil
    }
  }

  private func madeStream(_ call: AICall, _ text: String, model: String) -> [[UInt8]] {
    let writer = ChatStreamWriter(call.request)
    let chunks = ChatChunk(
      id: "chatcmpl-\(call.requestID)",
      created: Int(call.compiled.plan.updatedAt.wall.milliseconds / 1000), model: model
    ).answer(ChatChunk.pieces(of: text), usage: Self.noUsage)
    var events = chunks
    if var translator = StreamTranslator(from: .openai, to: dialect, created: 0) {
      events = []
      for chunk in chunks { events += translator.events(for: chunk) }
      events += translator.end()
    }
    return events.map { writer.frame(RawValue($0)) } + [writer.end]
  }
}

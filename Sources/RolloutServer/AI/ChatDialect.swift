import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway

/// OpenAI's chat shapes: errors, fallback answers.
enum ChatDialect {
  /// The model name of an answer that no model made.
  static let fallbackModel = "rollout-fallback"

  /// `{"error":{"message","type","param","code"}}`, as every OpenAI client expects.
  static func error(
    _ problem: Problem, _ headers: [(name: String, value: String)]
  ) -> HTTPResponse {
    .json(
      body(message: problem.detail, type: type(problem.status), code: problem.code),
      status: problem.status, headers: headers)
  }

  static func body(message: String, type: String, code: String?) -> Document {
    .object([
      "error": .object([
        "message": .string(message), "type": .string(type), "param": .null,
        "code": code.map { .string($0) } ?? .null,
      ])
    ])
  }

  private static func type(_ status: Int) -> String {
    switch status {
    case 401: "authentication_error"
    case 403: "permission_error"
    case 404: "not_found_error"
    case 429: "rate_limit_error"
    case 400..<500: "invalid_request_error"
    default: "api_error"
    }
  }

  /// No target answered and the plan has no fallback. A provider's own 401 or 402 is never passed
  /// on: it is our configuration that failed, not the caller.
  static func failure(_ exhausted: Gateway.Exhausted, _ call: ChatCall) -> HTTPResponse {
    var headers = call.headers(.refused("all_targets_failed"))
    headers.append(("x-rollout-attempts", String(exhausted.attempts)))
    let status: Int
    if case .throttled(let retryAfter) = exhausted.last {
      status = 429
      headers.append(("Retry-After", String(Int((retryAfter ?? 1).rounded(.up)))))
    } else {
      status = exhausted.deadlinePassed || exhausted.last == .timeout ? 504 : 502
    }
    return .json(
      body(
        message: "No provider answered (\(exhausted.last.word)); try again.", type: type(status),
        code: exhausted.last.word), status: status, headers: headers)
  }

  /// A chat completion that carries the plan's fallback.
  static func completion(_ call: ChatCall, _ text: String) -> Document {
    .object([
      "id": .string("chatcmpl-\(call.requestID)"),
      "object": .string("chat.completion"),
      "created": .int(call.plan.plan.updatedAt.milliseconds / 1000),
      "model": .string(fallbackModel),
      "choices": .array([
        .object([
          "index": .int(0),
          "message": .object(["role": .string("assistant"), "content": .string(text)]),
          "logprobs": .null,
          "finish_reason": .string("stop"),
        ])
      ]),
      "usage": noUsage,
    ])
  }

  static let noUsage = Document.object([
    "prompt_tokens": .int(0), "completion_tokens": .int(0), "total_tokens": .int(0),
  ])

  /// The chunks of the plan's fallback.
  static func chunks(_ call: ChatCall, _ text: String, wantsUsage: Bool) -> [Document] {
    ChatChunk(
      id: "chatcmpl-\(call.requestID)", created: Int(call.plan.plan.updatedAt.milliseconds / 1000),
      model: fallbackModel
    ).answer(ChatChunk.pieces(of: text), usage: wantsUsage ? noUsage : nil)
  }

  static func event(_ document: Document) -> [UInt8] {
    Array("data: ".utf8) + document.json + Array("\n\n".utf8)
  }

  static let done = Array("data: [DONE]\n\n".utf8)
}

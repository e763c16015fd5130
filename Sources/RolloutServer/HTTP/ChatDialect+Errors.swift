import DocumentKit
import RolloutGateway

extension ChatDialect {
  /// An error as this dialect's clients know it. `type` stands in for the word that belongs to the
  /// status; Anthropic has no `code`.
  func error(_ message: String, status: Int, code: String?, type: String? = nil) -> Document {
    switch self {
    case .openai:
      .object([
        "error": .object([
          "message": .string(message), "type": .string(type ?? Self.openAIType(status)),
          "param": .null, "code": code.map { .string($0) } ?? .null,
        ])
      ])
    case .anthropic:
      .object([
        "type": .string("error"),
        "error": .object([
          "type": .string(type ?? Self.anthropicType(status)), "message": .string(message),
        ]),
      ])
    }
  }

  private static func openAIType(_ status: Int) -> String {
    switch status {
    case 401: "authentication_error"
    case 403: "permission_error"
    case 404: "not_found_error"
    case 429: "rate_limit_error"
    case 400..<500: "invalid_request_error"
    default: "api_error"
    }
  }

  private static func anthropicType(_ status: Int) -> String {
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
}

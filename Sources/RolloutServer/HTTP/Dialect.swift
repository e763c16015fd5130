import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutGateway

/// Whose error shapes a path speaks.
enum Dialect: Sendable {
  case native, ofrep, openai, anthropic

  init(path: ByteView) {
    if path.hasPrefix("/ofrep/") {
      self = .ofrep
    } else if path.hasPrefix("/features/") {
      self = path.hasSuffix("/v1/messages") ? .anthropic : .openai
    } else {
      self = .native
    }
  }

  /// An error in this dialect.
  func error(
    _ problem: Problem, headers: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    var headers = headers
    // Whoever is turned away for now is told when to come again.
    if problem.status == 503 || problem.status == 429,
      !headers.contains(where: { $0.name == "Retry-After" })
    {
      headers.append(("Retry-After", "1"))
    }
    return switch self {
    case .native: Self.native(problem, headers)
    case .ofrep: Self.ofrep(problem, headers)
    case .openai: ChatShapes(dialect: .openai).error(problem, headers)
    case .anthropic: ChatShapes(dialect: .anthropic).error(problem, headers)
    }
  }

  /// Outside an evaluation: token, path, method, size.
  private static func ofrep(
    _ problem: Problem, _ headers: [(name: String, value: String)]
  ) -> HTTPResponse {
    .json(
      .object([
        "errorCode": .string(problem.status == 404 ? "FLAG_NOT_FOUND" : "GENERAL"),
        "errorDetails": .string(problem.detail),
      ]), status: problem.status, headers: headers)
  }

  private static func native(
    _ problem: Problem, _ headers: [(name: String, value: String)]
  ) -> HTTPResponse {
    HTTPResponse(
      status: problem.status, contentType: "application/problem+json", headers: headers,
      body: (try? WireEncoder.json(problem)) ?? [])
  }
}

extension HTTPResponse {
  /// A JSON answer from a wire model.
  static func json(
    _ value: some Encodable, status: Int = 200, headers: [(name: String, value: String)] = []
  ) throws -> HTTPResponse {
    HTTPResponse(status: status, headers: headers, body: try WireEncoder.json(value))
  }

  static func json(
    _ document: Document, status: Int = 200, headers: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    HTTPResponse(status: status, headers: headers, body: document.json)
  }

  static let noContent = HTTPResponse(status: 204)
}

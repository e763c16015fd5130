import DocumentKit
import HTTPKit
import HTTPServerKit
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

  init(_ chat: ChatDialect) {
    self =
      switch chat {
      case .openai: .openai
      case .anthropic: .anthropic
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
    return written(problem, headers)
  }

  /// The same with these headers and no other: not everybody who is turned away can come again.
  func written(
    _ problem: Problem, _ headers: [(name: String, value: String)]
  ) -> HTTPResponse {
    switch self {
    case .native: Self.native(problem, headers)
    case .ofrep: Self.ofrep(problem, headers)
    case .openai: Self.chat(.openai, problem, headers)
    case .anthropic: Self.chat(.anthropic, problem, headers)
    }
  }

  private static func chat(
    _ dialect: ChatDialect, _ problem: Problem, _ headers: [(name: String, value: String)]
  ) -> HTTPResponse {
    .json(
      dialect.error(problem.detail, status: problem.status, code: problem.code),
      status: problem.status, headers: headers)
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
      body: problem.json)
  }
}

extension Problem {
  var json: [UInt8] { (try? WireEncoder.json(self)) ?? [] }
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

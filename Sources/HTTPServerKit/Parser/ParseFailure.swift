import HTTPKit

/// Why a request cannot be served; the connection closes after the answer.
enum ParseFailure: Error, Equatable {
  case bad(StaticString)
  case uriTooLong
  case headTooLarge
  case bodyTooLarge
  /// The same, to who sends it again in another form.
  case bodyTooLargeAtOnce
  case expectationFailed
  case notImplemented(StaticString)
  case versionNotSupported

  var status: Int {
    switch self {
    case .bad: 400
    case .uriTooLong: 414
    case .headTooLarge: 431
    case .bodyTooLarge: 413
    case .bodyTooLargeAtOnce: 503
    case .expectationFailed: 417
    case .notImplemented: 501
    case .versionNotSupported: 505
    }
  }

  var detail: String {
    switch self {
    case .bad(let text), .notImplemented(let text): "\(text)"
    case .uriTooLong: "The request target is too long."
    case .headTooLarge: "The request's fields are too large or too many."
    case .bodyTooLarge: "The request body is too large."
    case .bodyTooLargeAtOnce: "The request body is too large to be taken at once; send less."
    case .expectationFailed: "Only Expect: 100-continue is understood."
    case .versionNotSupported: "Only HTTP/1.1 and HTTP/1.0 are spoken here."
    }
  }

  static func == (a: ParseFailure, b: ParseFailure) -> Bool {
    a.status == b.status && a.detail == b.detail
  }
}

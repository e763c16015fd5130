import HTTPKit

/// A request's method.
package enum HTTPMethod: String, Sendable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case delete = "DELETE"
  case patch = "PATCH"
  case options = "OPTIONS"
  case trace = "TRACE"
  case connect = "CONNECT"
  /// Any other token. Not a name of a method: no request can spell it.
  case unknown = "?"
}

/// Where the parts of a parsed head stand, as offsets from its first byte, so that it survives the
/// buffer being moved while the body arrives.
struct RequestHead {
  enum Framing: Equatable {
    case length(Int)
    case chunked
  }

  var method: HTTPMethod
  var path: Range<Int>
  /// Without the question mark; empty when there is none.
  var query: Range<Int>
  /// Host and port of a target in absolute-form; nil in every other.
  var authority: Range<Int>?
  /// The field lines, each ending in CRLF.
  var fields: Range<Int>
  var authorization: Range<Int>?
  var apiKey: Range<Int>?
  /// Value of `Content-Encoding`; nil when there is none.
  var contentCoding: Range<Int>?
  var framing: Framing
  var keepAlive: Bool
  var minorVersion: Int
  var expectsContinue: Bool
  /// What the service's `admit` wants back in `handle`.
  var ticket = 0
  /// Bytes, the empty line included.
  var length: Int
}

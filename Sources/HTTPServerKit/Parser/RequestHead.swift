package import HTTPKit

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

/// A request as a service sees it: borrowed from the connection's buffer during the call.
package struct RequestView {
  package let method: HTTPMethod
  /// As sent, percent-encoded; starts with `/`, or is `*` for OPTIONS.
  package let path: ByteView
  package let query: ByteView
  /// Host and port of a target in absolute-form, which then count instead of `Host` (RFC 9112
  /// §3.2.2); nil in every other.
  package let authority: ByteView?
  package let body: ByteView
  package let authorization: ByteView?
  package let apiKey: ByteView?
  /// Who sent it: a client, or a proxy in front of us.
  package let peer: PeerAddress
  /// How the body is coded, as sent; nil when it is plain.
  package let contentCoding: ByteView?
  fileprivate let fields: ByteView

  /// Without tokens: who asks has been decided.
  fileprivate init(_ copy: RequestCopy, _ bytes: ByteView, body: ByteView) {
    method = copy.method
    peer = copy.peer
    path = bytes[0..<copy.pathEnd]
    query = bytes[copy.pathEnd..<copy.queryEnd]
    fields = bytes[copy.queryEnd..<bytes.count]
    self.body = body
    authority = nil
    authorization = nil
    apiKey = nil
    contentCoding = nil
  }

  init(_ head: RequestHead, in bytes: ByteView, body: ByteView, from peer: PeerAddress) {
    self.peer = peer
    method = head.method
    path = bytes[head.path]
    query = bytes[head.query]
    authority = head.authority.map { bytes[$0] }
    fields = bytes[head.fields]
    authorization = head.authorization.map { bytes[$0] }
    apiKey = head.apiKey.map { bytes[$0] }
    contentCoding = head.contentCoding.map { bytes[$0] }
    self.body = body
  }

  /// The first field of this name (lower case), trimmed. O(fields).
  package func field(_ name: StaticString) -> ByteView? {
    var index = 0
    while index < fields.count {
      guard let colon = fields.firstIndex(of: UInt8(ascii: ":"), from: index),
        let end = fields.firstIndex(of: 0x0D, from: colon)
      else { return nil }
      if fields[index..<colon].equalsIgnoringCase(name) { return fields[(colon + 1)..<end].trimmed }
      index = end + 2
    }
    return nil
  }
}

extension RequestView {
  /// A copy of every field that outlives the call.
  package var headerLines: HeaderLines { HeaderLines(fields) }
}

/// A request that outlives the call it was handed to.
package struct RequestCopy: Sendable {
  package let method: HTTPMethod
  package let peer: PeerAddress
  /// Plain: whoever replaces a coded one has decoded it.
  package var body: [UInt8]
  /// Path, query and field lines.
  private let bytes: [UInt8]
  fileprivate let pathEnd: Int
  fileprivate let queryEnd: Int

  fileprivate init(_ view: RequestView) {
    method = view.method
    peer = view.peer
    body = view.body.array
    bytes = view.path.array + view.query.array + view.fields.array
    pathEnd = view.path.count
    queryEnd = pathEnd + view.query.count
  }

  /// Calls `use` with a view of the copy.
  package func withView<Result>(_ use: (RequestView) -> Result) -> Result {
    bytes.withUnsafeBufferPointer { bytes in
      body.withUnsafeBufferPointer { body in
        use(RequestView(self, ByteView(bytes), body: ByteView(body)))
      }
    }
  }
}

extension RequestView {
  package var copy: RequestCopy { RequestCopy(self) }
}

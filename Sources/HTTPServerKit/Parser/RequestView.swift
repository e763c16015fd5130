package import HTTPKit

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
  let fields: ByteView

  /// Without tokens: who asks has been decided.
  init(_ copy: RequestCopy, _ bytes: ByteView, body: ByteView) {
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

extension RequestView {
  package var copy: RequestCopy { RequestCopy(self) }
}

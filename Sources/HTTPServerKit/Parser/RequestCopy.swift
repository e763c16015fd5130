import HTTPKit

/// A request that outlives the call it was handed to.
package struct RequestCopy: Sendable {
  package let method: HTTPMethod
  package let peer: PeerAddress
  /// Plain: whoever replaces a coded one has decoded it.
  package var body: [UInt8]
  /// Path, query and field lines.
  private let bytes: [UInt8]
  let pathEnd: Int
  let queryEnd: Int

  init(_ view: RequestView) {
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

import PlatformKit

/// One outgoing request. Destinations and credentials come from configuration, never from a client.
package struct HTTPCall: Sendable {
  /// Seconds, each measured by itself; the earliest one ends the call.
  package struct Timeouts: Sendable {
    /// Name lookup, TCP and TLS together.
    package var connect = 5.0
    /// From the start to the first byte of the answer.
    package var firstByte = 30.0
    /// Between two pieces of the answer; stands still while the caller does not read.
    package var idle = 15.0
    package var total = 60.0

    package init() {}
  }

  package var method: String
  package var url: String
  package var headers: [(name: String, value: String)]
  package var body: [UInt8]
  package var timeouts = Timeouts()
  /// Whether it may connect to loopback, private, link-local and metadata addresses.
  package var allowsPrivateAddresses = true
  /// Bytes of an answer read whole; a longer one fails with `tooLarge`.
  package var answerSizeMax = 16 << 20

  package init(
    _ method: String, _ url: String, headers: [(name: String, value: String)] = [],
    body: [UInt8] = []
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
  }
}

/// The status line and fields of an answer.
package struct HTTPAnswerHead: Sendable {
  package var status: Int
  package var headers: HeaderLines

  package init(status: Int, headers: HeaderLines) {
    self.status = status
    self.headers = headers
  }

  /// The value of the first field of this name (lower case).
  package func header(_ name: StaticString) -> String? { headers[name] }
}

/// An answer that is still arriving. Dropping it cancels the call and closes the connection.
package final class HTTPStream: Sendable {
  package let head: HTTPAnswerHead
  private let transfer: Transfer

  init(_ transfer: Transfer, head: HTTPAnswerHead) {
    self.transfer = transfer
    self.head = head
  }

  deinit { transfer.cancel() }

  /// The next bytes; nil at the clean end. Reading slowly slows the sender down. One call at a
  /// time.
  /// Throws `HTTPFailure`.
  package func next() async throws -> [UInt8]? { try await transfer.next() }

  package func cancel() { transfer.cancel() }
}

package import PlatformKit

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

/// Why a call got no (complete) answer.
package enum HTTPFailure: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Clock: String, Sendable {
    case connect, firstByte, idle, total
  }

  /// No connection: refused, unknown host, TLS. Nothing was sent.
  case unreachable(String)
  case timeout(Clock)
  /// The connection broke or what came was not HTTP.
  case broken(String)
  case tooLarge
  case cancelled
  case invalidRequest(String)

  package var description: String {
    switch self {
    case .unreachable(let text): "could not connect: \(text)"
    case .timeout(let clock): "timed out (\(clock.rawValue))"
    case .broken(let text): "the answer broke off: \(text)"
    case .tooLarge: "the answer is too large"
    case .cancelled: "cancelled"
    case .invalidRequest(let text): text
    }
  }
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

/// Calls other servers through libcurl: HTTP/1.1, pooled connections, one event thread.
package final class HTTPClient: Sendable {
  /// Connections that are not counted on for calls: lookups of names, other clients' calls.
  private static let spareConnections = 64

  private let engine: CurlEngine
  private let descriptors: DescriptorShare

  /// `caFile` is a PEM bundle; nil takes the system's.
  package init(caFile: String? = nil, descriptors: DescriptorShare = .process) throws {
    self.descriptors = descriptors
    engine = try CurlEngine(
      caFile: caFile ?? "/etc/ssl/certs/ca-certificates.crt", descriptors: descriptors)
  }

  /// Calls that can be under way now, with those that are; at least one. A call beyond it waits for
  /// another's connection, and fails when that takes longer than its time to connect.
  package var callsMax: Int { max(1, descriptors.outboundMax - Self.spareConnections) }

  deinit { engine.stop() }

  /// The thread of the calls. A task that runs there gets answers without a change of threads; it
  /// holds up all other calls while it computes.
  package var executor: any TaskExecutor { engine }

  /// Sends and returns once the answer's head is there. Throws `HTTPFailure`.
  package func stream(_ call: HTTPCall) async throws -> HTTPStream {
    try check(call)
    let transfer = engine.start(call, buffersWhole: false)
    return HTTPStream(transfer, head: try await transfer.head())
  }

  /// Sends and returns the whole answer. Throws `HTTPFailure`.
  package func execute(_ call: HTTPCall) async throws -> (head: HTTPAnswerHead, body: [UInt8]) {
    try check(call)
    return try await engine.start(call, buffersWhole: true).whole()
  }

  private func check(_ call: HTTPCall) throws(HTTPFailure) {
    for header in call.headers {
      func isClean(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 9 }
      }
      guard isClean(header.name), isClean(header.value), !header.name.isEmpty else {
        throw .invalidRequest("The header \(header.name.prefix(40)) holds a control character.")
      }
    }
    guard call.url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw .invalidRequest("The URL must be ASCII without spaces.")
    }
  }
}

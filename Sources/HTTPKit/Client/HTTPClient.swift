package import PlatformKit

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

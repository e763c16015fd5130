import PlatformKit

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

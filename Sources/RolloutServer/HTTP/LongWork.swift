import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import Synchronization

/// Evaluations that would hold up a loop: large bodies, many users, rules that look at much.
/// Threads of low priority answer them, a bounded number at a time.
final class LongWork: Sendable {
  /// Bytes of a body that a loop reads itself; more would take it too long.
  static let loopBodyMax = 16 * 1024
  /// Bytes that the rules of one request may look at on a loop: a millisecond, not more.
  static let loopCostMax = 1 << 20
  /// Bytes that they may look at in one request at all; beyond it must be split.
  static let costMax = 1 << 28

  private let room = FairRoom(capacity: 64)

  func take(_ account: Int) -> Bool { room.take(1, account) }
  func give(_ account: Int) { room.give(1, account) }
}

extension InlineRequest {
  /// Hands the request to a thread if the loop should not answer it: because of its body, or
  /// because rules would look at `cost` bytes. False where the caller is to go on, on such a thread
  /// too.
  func moves(
    _ reply: Reply, cost: Int = 0, to handler: @escaping @Sendable (InlineRequest, Reply) -> Void
  ) -> Bool {
    guard let door, cost > LongWork.loopCostMax || view.body.count > LongWork.loopBodyMax else {
      return false
    }
    door.move(self, reply, to: handler)
    return true
  }
}

extension ContentCoding {
  /// The plain body, or what to tell the client.
  func decoded(_ coded: [UInt8], sizeMax: Int) throws(Problem) -> [UInt8] {
    do throws(Failure) { return try decode(coded, sizeMax: sizeMax) } catch {
      switch error {
      case .tooLarge:
        throw Problem(
          .bodyTooLarge, "Decoded, the body is larger than the \(sizeMax) bytes it may have here.")
      case .malformed:
        throw Problem(.badRequest, "The body is not what its Content-Encoding says.")
      }
    }
  }
}

import PlatformKit
import Synchronization

/// How much of alerts may be looked at: each token gets its share, and what is small always comes
/// through. What is turned away is sent again: senders try again after 503.
final class AlertRoom: Sendable {
  /// Bytes of a payload that is never turned away.
  private static let smallMax = 64 << 10
  /// Large payloads at once, of all tokens and of one.
  private static let largeMax = 4
  private static let largePerToken = 2
  /// Bytes that a token may send at once, and in each second after that.
  private static let burst = AlertEndpoint.bodySizeMax
  private static let bytesPerSecond = 512 << 10
  /// Tokens remembered; those that have been quiet are forgotten first.
  private static let tokensMax = 1000
  /// Milliseconds after which a token counts as quiet.
  private static let quietMin = 60_000

  private struct Token {
    var level = 0
    var at: MonotonicInstant
    var underWay = 0
  }

  private struct State {
    var tokens: [String: Token] = [:]
    var underWay = 0
  }

  private let clock: any MonotonicClock
  private let state = Mutex(State())

  init(clock: any MonotonicClock) { self.clock = clock }

  /// nil when there is room, which `leave` gives back; otherwise seconds until there may be.
  func enter(_ sender: String, bytes: Int) -> Int? {
    guard bytes > Self.smallMax else { return nil }
    let now = clock.monotonic
    return state.withLock { state in
      if state.tokens.count >= Self.tokensMax {
        state.tokens = state.tokens.filter {
          $0.value.underWay > 0 || now.milliseconds(since: $0.value.at) < Self.quietMin
        }
      }
      var token = state.tokens[sender] ?? Token(at: now)
      let drained = max(0, now.milliseconds(since: token.at)) / 1000 * Self.bytesPerSecond
      if drained > 0 {
        token.level = max(0, token.level - drained)
        token.at = now
      }
      defer { state.tokens[sender] = token }
      guard state.underWay < Self.largeMax, token.underWay < Self.largePerToken else { return 5 }
      let over = token.level + bytes - Self.burst
      guard over <= 0 else { return over / Self.bytesPerSecond + 1 }
      token.level += bytes
      token.underWay += 1
      state.underWay += 1
      return nil
    }
  }

  func leave(_ sender: String, bytes: Int) {
    guard bytes > Self.smallMax else { return }
    state.withLock { state in
      state.tokens[sender]?.underWay -= 1
      state.underWay -= 1
    }
  }
}

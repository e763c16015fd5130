import HTTPServerKit
import PlatformKit
import RolloutGateway
import Synchronization

/// Counts wrong tokens, and cookies of no session, by the address they come from, so that nobody
/// guesses at leisure and an app with an old token is told to slow down. Who sends a right one is
/// never asked: whoever shares an address with a guesser is served.
final class FailedAuthentications: Sendable {
  /// Wrong tokens of one address that are answered 401; more are 429.
  static let countMax = 100
  /// Lines about this in the log.
  private static let linesMax = 10

  private let limiter: RateLimiter
  private let lines: RateLimiter
  private let count = Atomic<Int>(0)
  private let log: Log

  init(log: Log) {
    self.log = log
    limiter = RateLimiter(RateLimit(count: Self.countMax, perMinutes: 1))
    lines = RateLimiter(RateLimit(count: Self.linesMax, perMinutes: 1))
  }

  var total: Int { count.load(ordering: .relaxed) }

  /// Takes in a wrong token. Seconds to wait before the next one, where there were too many; nil
  /// while there were not.
  func note(_ client: PeerAddress, now: MonotonicInstant) -> Int? {
    count.wrappingAdd(1, ordering: .relaxed)
    let allowance = limiter.admit(client.text, now: now)
    guard !allowance.isAllowed else { return nil }
    if lines.admit("", now: now).isAllowed {
      log.notice("an address sends wrong tokens; they are answered 429", ["address": client.text])
    }
    return max(1, (allowance.retryAfter + 999) / 1000)
  }
}

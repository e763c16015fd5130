import RolloutCore
import Synchronization

/// Keeps in mind when tokens were used, and tells people before one ends.
final class TokenWatch: Sendable {
  static let interval = TimeSpan.seconds(5)
  /// Names in one sentence; the others are counted.
  private static let namesMax = 5

  private let tokens: TokenDirectory
  private let readiness: Readiness
  private let clock: any WallClock
  private let log: Log
  /// Ids of the tokens whose end the log has announced.
  private let told = Mutex<Set<String>>([])

  init(tokens: TokenDirectory, readiness: Readiness, clock: any WallClock, log: Log) {
    self.tokens = tokens
    self.readiness = readiness
    self.clock = clock
    self.log = log
  }

  func look() async {
    // What cannot be written now is noted still; the store's own trouble is told by others.
    try? await tokens.keepUses()
    let now = clock.now
    let all = tokens.all
    readiness.note("tokens", Self.sentence(all, now), log)
    for token in all {
      guard let left = token.timeLeftToTell(at: now),
        told.withLock({ $0.insert(token.id).inserted })
      else { continue }
      log.notice(
        "a token expires in \(left.roughly); make another, and revoke this one",
        ["token": token.name, "id": token.id, "expires_at": token.expiresAt?.rfc3339 ?? ""])
    }
  }

  /// What somebody should do about tokens; nil for nothing.
  private static func sentence(_ all: [TokenRecord], _ now: Instant) -> String? {
    let hasAdmin = all.contains {
      $0.isValid(at: now) && $0.scopes.contains(.admin) && $0.features == nil
    }
    guard hasAdmin else {
      return "no admin token is valid any more; stop the server and run rollout-server admin-token"
    }
    let ending = all.compactMap { token in
      token.timeLeftToTell(at: now).map { (name: token.name, left: $0) }
    }.sorted { ($0.left, $0.name) < ($1.left, $1.name) }
    guard !ending.isEmpty else { return nil }
    let named = ending.prefix(namesMax).map { "\($0.name) expires in \($0.left.roughly)" }
    let others = ending.count > namesMax ? ", and \(ending.count - namesMax) more" : ""
    return "tokens end soon: \(named.joined(separator: ", "))\(others); make others in their place"
  }
}

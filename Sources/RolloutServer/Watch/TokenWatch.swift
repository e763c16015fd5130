import RolloutCore
import Synchronization

/// Keeps in mind when tokens were used and which sessions are over, and tells people before a token
/// ends.
final class TokenWatch: Sendable {
  static let interval = TimeSpan.seconds(5)
  /// Between two tries to write down what has ended.
  static let endInterval = TimeSpan(milliseconds: 500)
  /// Names in one sentence; the others are counted.
  private static let namesMax = 5

  private let tokens: TokenDirectory
  private let sessions: SessionDirectory
  private let readiness: Readiness
  private let clock: any WallClock
  private let log: Log
  /// Ids of the tokens whose end the log has announced.
  private let announced = Mutex<Set<String>>([])

  init(
    tokens: TokenDirectory, sessions: SessionDirectory, readiness: Readiness,
    clock: any WallClock, log: Log
  ) {
    self.tokens = tokens
    self.sessions = sessions
    self.readiness = readiness
    self.clock = clock
    self.log = log
  }

  func look() async {
    // What cannot be written now is noted still; the store's own trouble is told by others.
    try? await tokens.keepUses()
    await keepEnds()
    let now = clock.now
    let all = tokens.all
    for token in all {
      guard let left = token.timeLeftToTell(at: now),
        announced.withLock({ $0.insert(token.id).inserted })
      else { continue }
      log.notice(
        "a token expires in \(left.roughly); make another, and revoke this one",
        ["token": token.name, "id": token.id, "expires_at": token.expiresAt?.rfc3339 ?? ""])
    }
  }

  /// Writes down what has ended and could not be written when it did, and says what is left.
  func keepEnds() async {
    _ = await sessions.keepEnds()
    await tokens.keepRevocations()
    let sentences = [
      Self.sentence(unwritten: tokens.unwrittenNames), Self.sentence(tokens.all, clock.now),
    ].compactMap(\.self)
    readiness.note("tokens", sentences.isEmpty ? nil : sentences.joined(separator: "; "), log)
  }

  /// Which tokens a restart would bring back; nil for none.
  private static func sentence(unwritten names: [String]) -> String? {
    guard !names.isEmpty else { return nil }
    let named = names.prefix(namesMax).joined(separator: ", ")
    let others = names.count > namesMax ? " and \(names.count - namesMax) more" : ""
    return
      "revoked in memory only: \(named)\(others); it is written as soon as the disk allows, and a "
      + "restart before that brings them back"
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

import DigestKit
import DocumentKit
import RolloutCore
import Synchronization

/// Browsers that are signed in. Each stands for a token and ends with it; what its cookie holds is
/// random, and only the hash of that is kept.
final class SessionDirectory: Sendable {
  static let lifetime = TimeSpan.hours(12)
  /// Of one token; the oldest ends where there would be more.
  static let countMax = 32

  private struct Entry {
    var record: SessionRecord
    let mark = SessionMark()
  }

  private let sessions: Mutex<[[UInt8]: Entry]>
  /// Sessions that are over, and not in the file yet.
  private let unwrittenEnds = Mutex<Set<[UInt8]>>([])
  private let store: any SessionStore
  private let tokens: TokenDirectory
  /// Keeps who signed in where that cannot be written with the session.
  private let trail: AuditTrail?

  /// Throws `StoreError`.
  init(
    store: any SessionStore, tokens: TokenDirectory, trail: AuditTrail? = nil
  ) async throws {
    self.store = store
    self.tokens = tokens
    self.trail = trail
    let loaded = try await store.loadSessions(now: tokens.now)
    sessions = Mutex(
      Dictionary(loaded.map { ($0.hash, Entry(record: $0)) }, uniquingKeysWith: { $1 }))
  }

  struct Begun: Sendable {
    /// What the cookie holds.
    var secret: String
    var expiresAt: Instant
    /// False where it could not be written: it is in force until the server ends. Whoever has to
    /// stop a feature while the disk is full must be let in.
    var isDurable = true
  }

  /// Signs in with this token, from an address.
  func begin(tokenID: String, from address: String = "") async -> Begun {
    let now = tokens.now
    var begun = Begun(
      secret: Digest.hexadecimal(Digest.random(32)), expiresAt: now + Self.lifetime)
    let session = SessionRecord(
      hash: Digest.sha256(Array(begun.secret.utf8)), tokenID: tokenID, createdAt: now,
      expiresAt: begun.expiresAt)
    let ended = sessions.withLock { sessions in
      sessions[session.hash] = Entry(record: session)
      return Self.takeEnded(&sessions, of: tokenID, now: now)
    }
    if !ended.isEmpty {
      tokens.noteSessionEnd()
      unwrittenEnds.withLock { $0.formUnion(ended) }
    }
    var entry = record(.signedIn, tokenID, now)
    if !address.isEmpty { entry.details = .object(["from": .string(address)]) }
    do { try await store.insert(session, noting: entry) } catch {
      begun.isDurable = false
      trail?.remember(entry)
    }
    _ = await keepEnds()
    return begun
  }

  private func record(
    _ kind: AuditRecord.Kind, _ tokenID: String, _ now: Instant
  ) -> AuditRecord {
    AuditRecord(
      kind, by: tokens.name(of: tokenID).map { .token($0) } ?? .unknown(tokenID),
      target: "dashboard", at: now)
  }

  /// Forgets what has expired, and of this token what is too much, whose hashes it returns.
  private static func takeEnded(
    _ sessions: inout [[UInt8]: Entry], of tokenID: String, now: Instant
  ) -> [[UInt8]] {
    sessions = sessions.filter { $0.value.record.expiresAt > now }
    let own = sessions.values.map(\.record).filter { $0.tokenID == tokenID }.sorted {
      $0.createdAt < $1.createdAt
    }
    let ended = own.prefix(max(0, own.count - Self.countMax)).map(\.hash)
    for hash in ended { sessions.removeValue(forKey: hash)?.mark.end() }
    return ended
  }

  /// Signs out. False where that could not be written yet: it is over all the same, and a restart
  /// before it is written brings it back.
  func end(_ secret: [UInt8]) async -> Bool {
    let hash = Digest.sha256(secret)
    if let entry = sessions.withLock({ $0.removeValue(forKey: hash) }) {
      entry.mark.end()
      tokens.noteSessionEnd()
      let note = record(.signedOut, entry.record.tokenID, tokens.now)
      do { try await store.deleteSessions([hash], noting: note) } catch {
        unwrittenEnds.withLock { _ = $0.insert(hash) }
        trail?.remember(note)
        return false
      }
    }
    return await keepEnds()
  }

  /// Writes down which sessions are over. Whether nothing is left to be written.
  func keepEnds() async -> Bool {
    let ended = unwrittenEnds.withLock { $0 }
    guard !ended.isEmpty else { return true }
    do { try await store.deleteSessions(Array(ended), noting: nil) } catch { return false }
    unwrittenEnds.withLock { $0.subtract(ended) }
    return true
  }

  /// Whose cookie this is; nil once the session or its token has ended.
  func principal(_ secret: [UInt8]) -> Principal? {
    let hash = Digest.sha256(secret)
    guard let session = sessions.withLock({ $0[hash] }), session.record.expiresAt > tokens.now
    else { return nil }
    return tokens.principal(
      id: session.record.tokenID, until: session.record.expiresAt, session: session.mark)
  }
}

/// Whether a session was signed out: what it began, such as a stream of events, ends with it.
final class SessionMark: Sendable {
  private let ended = Atomic<Bool>(false)

  var hasEnded: Bool { ended.load(ordering: .acquiring) }
  fileprivate func end() { ended.store(true, ordering: .releasing) }
}

import DigestKit
import DocumentKit
import HTTPKit
import RolloutCore
import RolloutStore
import Synchronization

/// The tokens in force, in memory. Checking one touches neither disk nor network.
final class TokenDirectory: Sendable {
  private struct Entry {
    var record: TokenRecord
    let use = LastUse()
  }

  private let entries: Mutex<[String: Entry]>
  /// Tokens that were revoked, and are not so in the file yet, with what is to be told of it.
  private let unwritten = Mutex<[String: AuditRecord]>([:])
  private let changes = Atomic<Int>(1)
  private let store: any TokenStore
  private let clock: any WallClock

  init(store: any TokenStore, clock: any WallClock) async throws {
    self.store = store
    self.clock = clock
    let loaded = try await store.loadTokens()
    entries = Mutex(Dictionary(uniqueKeysWithValues: loaded.map { ($0.id, Entry(record: $0)) }))
  }

  /// Grows with every change, so that loops know when to forget what they verified.
  var generation: Int { changes.load(ordering: .acquiring) }

  var isEmpty: Bool { entries.withLock { $0.isEmpty } }

  /// Every token there ever was, the oldest first.
  var all: [TokenRecord] {
    let minute = clock.now.minute
    return entries.withLock { entries in
      entries.values.map { entry in
        var record = entry.record
        if entry.use.isNoted { record.lastUsedAt = minute }
        return record
      }
    }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
  }

  /// The names of the accounts that principals of tokens have.
  var namesByAccount: [Int: String] {
    entries.withLock { entries in
      Dictionary(
        entries.values.map { (Principal.account(of: $0.record.id), $0.record.name) },
        uniquingKeysWith: { $1 })
    }
  }

  /// The name of the token of this id; nil for none.
  func name(of id: String) -> String? { entries.withLock { $0[id] }?.record.name }

  /// The present time, as far as tokens are concerned.
  var now: Instant { clock.now }

  /// Has everybody who remembers who is let in ask again: a session has ended.
  func noteSessionEnd() { changes.wrappingAdd(1, ordering: .releasing) }

  /// Whether the token of this id is in force.
  func isInForce(id: String) -> Bool {
    entries.withLock { $0[id] }?.record.isValid(at: clock.now) ?? false
  }

  /// Whether every token that had this name was revoked: what it approved is nobody's word then.
  func isRevoked(name: String) -> Bool {
    entries.withLock { entries in
      let named = entries.values.filter { $0.record.name == name }
      return !named.isEmpty && named.allSatisfy { $0.record.revokedAt != nil }
    }
  }

  /// nil for anything but a valid token. Unknown ids cost the same comparison as known ones.
  func verify(_ text: [UInt8]) -> Principal? {
    guard let token = AccessToken(text) else { return nil }
    let entry = entries.withLock { $0[token.id] }
    let matches = Digest.equal(
      token.secretHash, entry?.record.secretHash ?? [UInt8](repeating: 0, count: 32))
    guard matches, let entry, entry.record.isValid(at: clock.now) else { return nil }
    return Principal(entry.record, use: entry.use, of: self)
  }

  /// Who signed in with this token, until then at most; nil once it is not in force.
  func principal(id: String, until expiry: Instant, session: SessionMark) -> Principal? {
    guard let entry = entries.withLock({ $0[id] }), entry.record.isValid(at: clock.now) else {
      return nil
    }
    entry.use.note()
    var record = entry.record
    record.expiresAt = min(expiry, record.expiresAt ?? expiry)
    return Principal(record, use: entry.use, session: session, of: self)
  }

  /// Puts a token in force. Throws `StoreError`.
  @discardableResult
  func add(
    _ token: AccessToken, name: String, scopes: Set<Scope>, features: Set<String>? = nil,
    expiresAt: Instant?, by actor: Actor = .server, reason: String = ""
  ) async throws -> TokenRecord {
    let now = clock.now
    let record = TokenRecord(
      id: token.id, name: name, secretHash: token.secretHash, scopes: scopes, features: features,
      createdAt: now, expiresAt: expiresAt)
    // Its name may be that of a token which is revoked in memory only.
    await keepRevocations()
    try await store.insert(
      record, noting: .token(.tokenCreated, record, by: actor, reason, at: now))
    entries.withLock { entries in
      for (id, other) in entries
      where other.record.name == name && other.record.revokedAt == nil
        && other.record.hasExpired(at: now)
      { entries[id]?.record.revokedAt = other.record.expiresAt }
      entries[record.id] = Entry(record: record)
    }
    changes.wrappingAdd(1, ordering: .releasing)
    return record
  }

  /// What became of the wish to revoke a token.
  struct Revoked: Equatable {
    var result: Revocation
    /// False where it could not be written: it is in force all the same, is written as soon as that
    /// can be done, and a restart before brings the token back.
    var isDurable = true
  }

  /// Ends a token at once, for whoever has stolen one must not profit from a full disk. Throws
  /// `StoreError.notFound`.
  func revoke(
    id: String, by actor: Actor = .server, reason: String = ""
  ) async throws -> Revoked {
    let now = clock.now
    let entry = entries.withLock { $0[id] }.map { entry in
      AuditRecord.token(.tokenRevoked, entry.record, by: actor, reason, at: now)
    }
    var revoked = Revoked(result: .done)
    do {
      revoked.result = try await store.revoke(id: id, at: now, noting: entry)
    } catch let error as StoreError {
      guard let entry else { throw error }
      revoked = Revoked(
        result: isLastAdmin(id, at: now) ? .refusedAsLastAdmin : .done, isDurable: false)
      if revoked.result == .done { unwritten.withLock { $0[id] = $0[id] ?? entry } }
    }
    guard revoked.result == .done else { return revoked }
    entries.withLock { entries in
      if entries[id]?.record.revokedAt == nil { entries[id]?.record.revokedAt = now }
    }
    changes.wrappingAdd(1, ordering: .releasing)
    return revoked
  }

  /// As the store decides it: without this one nobody could make another.
  private func isLastAdmin(_ id: String, at now: Instant) -> Bool {
    let records = entries.withLock { $0.mapValues(\.record) }
    guard let record = records[id], record.isAdmin(at: now) else { return false }
    return !records.values.contains { $0.id != id && $0.canFollow(record, at: now) }
  }

  /// The names of tokens that are revoked in memory only, sorted.
  var unwrittenNames: [String] {
    let ids = unwritten.withLock { Set($0.keys) }
    return entries.withLock { entries in ids.compactMap { entries[$0]?.record.name } }.sorted()
  }

  /// Writes down which tokens are revoked, as far as that can be done now.
  func keepRevocations() async {
    for (id, entry) in unwritten.withLock({ $0 }) {
      guard (try? await store.revoke(id: id, at: entry.at, noting: entry)) == .done else {
        continue
      }
      _ = unwritten.withLock { $0.removeValue(forKey: id) }
    }
  }

  /// Writes down which tokens were used since the last time. Throws `StoreError`; they are noted
  /// again then.
  func keepUses() async throws {
    let minute = clock.now.minute
    let used = entries.withLock { entries in
      entries.filter { $0.value.use.take() }.filter { id, entry in
        guard entry.record.lastUsedAt != minute else { return false }
        entries[id]?.record.lastUsedAt = minute
        return true
      }
    }
    guard !used.isEmpty else { return }
    do { try await store.noteUse(of: used.keys.sorted(), at: minute) } catch {
      for (id, entry) in used {
        entry.use.note()
        entries.withLock { $0[id]?.record.lastUsedAt = entry.record.lastUsedAt }
      }
      throw error
    }
  }
}

/// Whether a token was used since somebody looked. Noted with every request, so it costs a load.
final class LastUse: Sendable {
  private let noted = Atomic<Bool>(false)

  var isNoted: Bool { noted.load(ordering: .relaxed) }
  func note() { if !isNoted { noted.store(true, ordering: .relaxed) } }
  func take() -> Bool { noted.exchange(false, ordering: .relaxed) }
}

extension AuditRecord {
  /// What became of a token: what it may do, and never its secret.
  fileprivate static func token(
    _ kind: Kind, _ token: TokenRecord, by actor: Actor, _ reason: String, at now: Instant
  ) -> AuditRecord {
    var details = Document.object(["id": .string(token.id)])
    if kind == .tokenCreated {
      func list(_ texts: some Sequence<String>) -> Document {
        .array(texts.sorted().map { .string($0) })
      }
      details.set("scopes", list(token.scopes.map(\.rawValue)))
      if let features = token.features { details.set("features", list(features)) }
      if let end = token.expiresAt { details.set("expires_at", .string(end.rfc3339)) }
    }
    return AuditRecord(
      kind, by: actor, target: token.name, reason: reason, details: details, at: now)
  }
}

extension Instant {
  fileprivate var minute: Instant {
    Instant(milliseconds: milliseconds - milliseconds % 60_000)
  }
}

import HTTPKit
import RolloutCore
import RolloutStore
import Synchronization

/// The tokens in force, in memory. Checking one touches neither disk nor network.
final class TokenDirectory: Sendable {
  private let tokens: Mutex<[String: TokenRecord]>
  private let changes = Atomic<Int>(1)
  private let store: any TokenStore
  private let clock: any WallClock

  init(store: any TokenStore, clock: any WallClock) async throws {
    self.store = store
    self.clock = clock
    let loaded = try await store.loadTokens()
    tokens = Mutex(Dictionary(uniqueKeysWithValues: loaded.map { ($0.id, $0) }))
  }

  /// Grows with every change, so that loops know when to forget what they verified.
  var generation: Int { changes.load(ordering: .acquiring) }

  var isEmpty: Bool { tokens.withLock { $0.isEmpty } }
  var all: [TokenRecord] {
    tokens.withLock { $0.values.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) } }
  }

  /// nil for anything but a valid token. Unknown ids cost the same comparison as known ones.
  func verify(_ text: [UInt8]) -> Principal? {
    guard let token = AccessToken(text) else { return nil }
    let record = tokens.withLock { $0[token.id] }
    let matches = Digest.equal(
      token.secretHash, record?.secretHash ?? [UInt8](repeating: 0, count: 32))
    guard matches, let record, record.isValid(at: clock.now) else { return nil }
    return Principal(record)
  }

  /// Makes a token; its text is returned here and nowhere else. Throws `StoreError`.
  func create(
    name: String, scopes: Set<Scope>, features: Set<String>?, expiresAt: Instant?
  ) async throws -> (record: TokenRecord, text: String) {
    let token = AccessToken.generate()
    let record = TokenRecord(
      id: token.id, name: name, secretHash: token.secretHash, scopes: scopes, features: features,
      createdAt: clock.now, expiresAt: expiresAt)
    try await store.insert(record)
    tokens.withLock { $0[record.id] = record }
    changes.wrappingAdd(1, ordering: .releasing)
    return (record, token.text)
  }

  func revoke(id: String) async throws {
    let now = clock.now
    try await store.revoke(id: id, at: now)
    tokens.withLock { $0[id]?.revokedAt = now }
    changes.wrappingAdd(1, ordering: .releasing)
  }
}

/// What one loop has verified lately, so that the hash is computed once per token and not per
/// request. Belongs to its loop.
struct VerifiedTokens {
  private struct Entry {
    var text: [UInt8]
    var principal: Principal
  }

  private static let slots = 64
  private var entries: [Entry?] = Array(repeating: nil, count: slots)
  private var generation = 0

  /// The principal of a presented token; nil when it is not valid.
  mutating func principal(
    _ presented: ByteView, _ directory: TokenDirectory, _ clock: any WallClock
  ) -> Principal? {
    if generation != directory.generation {
      generation = directory.generation
      entries = Array(repeating: nil, count: Self.slots)
    }
    let slot = Self.slot(presented)
    if let entry = entries[slot], Self.equal(entry.text, presented) {
      guard let expires = entry.principal.expiresAt, clock.now >= expires else {
        return entry.principal
      }
      return nil
    }
    let text = presented.array
    guard let principal = directory.verify(text) else { return nil }
    entries[slot] = Entry(text: text, principal: principal)
    return principal
  }

  /// The id is random: two of its bytes spread well enough.
  private static func slot(_ presented: ByteView) -> Int {
    guard presented.count > 5 else { return 0 }
    return Int(presented[3] &* 31 &+ presented[4]) & (slots - 1)
  }

  /// In time that depends on the length only.
  private static func equal(_ known: [UInt8], _ presented: ByteView) -> Bool {
    guard known.count == presented.count else { return false }
    return known.withUnsafeBytes { known in
      let other = UnsafeRawBufferPointer(presented.buffer)
      var difference: UInt64 = 0
      var index = 0
      while index + 8 <= known.count {
        difference |=
          known.loadUnaligned(fromByteOffset: index, as: UInt64.self)
          ^ other.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        index += 8
      }
      while index < known.count {
        difference |= UInt64(known[index] ^ other[index])
        index += 1
      }
      return difference == 0
    }
  }
}

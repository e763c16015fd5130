import DigestKit
import HTTPKit
import RolloutCore
import RolloutStore
import Synchronization

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
      if let expires = entry.principal.expiresAt, clock.now >= expires { return nil }
      entry.principal.use?.note()
      return entry.principal
    }
    let text = presented.array
    guard let principal = directory.verify(text) else { return nil }
    principal.use?.note()
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

/// MurmurHash3 x86_32, fed piece by piece, so that a plan's salt is hashed once and not per user.
///
/// Source: Austin Appleby, `MurmurHash3_x86_32`; test vectors in `Tests`. Never change it: every
/// user's bucket hangs on these bits.
package struct Murmur3: Sendable {
  private var state: UInt32
  private var tail: UInt32 = 0
  private var tailLength: UInt32 = 0
  private var length: UInt32 = 0

  package init(seed: UInt32 = 0) { state = seed }

  private static func scramble(_ block: UInt32) -> UInt32 {
    var k = block &* 0xcc9e_2d51
    k = k << 15 | k >> 17
    return k &* 0x1b87_3593
  }

  private mutating func mix(_ block: UInt32) {
    state ^= Self.scramble(block)
    state = state << 13 | state >> 19
    state = state &* 5 &+ 0xe654_6b64
  }

  package mutating func update(_ byte: UInt8) {
    tail |= UInt32(byte) << (tailLength &* 8)
    tailLength &+= 1
    length &+= 1
    if tailLength == 4 {
      mix(tail)
      tail = 0
      tailLength = 0
    }
  }

  package mutating func update(_ bytes: Span<UInt8>) {
    for index in bytes.indices { update(bytes[index]) }
  }

  package mutating func update(_ text: StaticString) {
    for offset in 0..<text.utf8CodeUnitCount { update(text.utf8Start[offset]) }
  }

  package consuming func finalize() -> UInt32 {
    var h = state
    if tailLength > 0 { h ^= Self.scramble(tail) }
    h ^= length
    h ^= h >> 16
    h = h &* 0x85eb_ca6b
    h ^= h >> 13
    h = h &* 0xc2b2_ae35
    return h ^ h >> 16
  }

  package static func hash(_ bytes: Span<UInt8>, seed: UInt32 = 0) -> UInt32 {
    var hasher = Murmur3(seed: seed)
    hasher.update(bytes)
    return hasher.finalize()
  }
}

/// Assigns users to buckets: `(UInt64(murmur3(utf8(salt + ":" + user))) * 100_000) >> 32`.
///
/// A bucket is in `0..<100_000`; 1 is 0.001 %. A user is inside p % when `bucket < p · 1000`.
package struct Bucketer: Sendable {
  package static let bucketCount = 100_000

  /// What is being decided. Each purpose hashes with its own prefix, so that who is held out says
  /// nothing about who is early.
  package enum Purpose: Sendable {
    case rollout
    case variant
    case holdout

    fileprivate var infix: StaticString {
      switch self {
      case .rollout: ":"
      case .variant: ":variant:"
      case .holdout: ":holdout:"
      }
    }
  }

  private let prefix: Murmur3

  package init(salt: String, purpose: Purpose = .rollout) {
    var hasher = Murmur3()
    for byte in salt.utf8 { hasher.update(byte) }
    hasher.update(purpose.infix)
    prefix = hasher
  }

  /// The bucket of a user id, given as UTF-8. No allocation; time linear in the id.
  package func bucket(_ user: Span<UInt8>) -> Int {
    var hasher = prefix
    hasher.update(user)
    return Int((UInt64(hasher.finalize()) * UInt64(Self.bucketCount)) >> 32)
  }

  package func bucket(_ user: String) -> Int {
    var hasher = prefix
    for byte in user.utf8 { hasher.update(byte) }
    return Int((UInt64(hasher.finalize()) * UInt64(Self.bucketCount)) >> 32)
  }
}

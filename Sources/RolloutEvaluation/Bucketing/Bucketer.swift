/// Assigns users to buckets, usually `(UInt64(murmur3(utf8(salt + ":" + user))) * 100_000) >> 32`.
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
  /// nil for what hashes and scales as we do. By reference, so that deciding by our own formula
  /// carries nothing of it around.
  private let foreign: ForeignFormula?

  /// Of our own formula.
  package init(salt: String, purpose: Purpose = .rollout) {
    self.init(Murmur3(prefix: salt, infix: purpose.infix), nil)
  }

  /// Of the formula that a plan names, for its stages.
  package init(salt: String, bucketing: Bucketing) {
    switch bucketing {
    case .rollout: self.init(salt: salt)
    case .flagd: self.init(Murmur3(prefix: salt, infix: ""), nil)
    case .flagdReversed, .unleash, .goff, .goffReversed, .growthbook1, .growthbook1Reversed,
      .growthbook2, .growthbook2Reversed:
      self.init(Murmur3(), ForeignFormula(bucketing, salt: salt))
    }
  }

  private init(_ prefix: Murmur3, _ foreign: ForeignFormula?) {
    self.prefix = prefix
    self.foreign = foreign
  }

  /// The bucket of a user id, given as UTF-8. No allocation; time linear in the id, and in the salt
  /// for `growthbook-1`.
  package func bucket(_ user: Span<UInt8>) -> Int {
    if let foreign { return foreign.bucket(user) }
    return prefix.bucket(user)
  }

  package func bucket(_ user: String) -> Int { bucket(user.utf8.span) }
}

extension Murmur3 {
  /// Of what stands before every user.
  init(prefix: String, infix: StaticString) {
    self.init()
    for byte in prefix.utf8 { update(byte) }
    update(infix)
  }

  func hash(_ user: Span<UInt8>) -> UInt32 {
    var hasher = self
    hasher.update(user)
    return hasher.finalize()
  }

  /// The hash as a part of all buckets.
  func bucket(_ user: Span<UInt8>) -> Int {
    Int((UInt64(hash(user)) * UInt64(Bucketer.bucketCount)) >> 32)
  }
}

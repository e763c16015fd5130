/// A formula of another system with its salt, and what stands before the user hashed already. See
/// `Bucketing` for each, and decision 44 for how their classes become our buckets.
final class ForeignFormula: Sendable {
  private let bucketing: Bucketing
  private let murmur: Murmur3
  private let fnv: FNV1a
  /// What stands behind the user, where a formula asks for that.
  private let suffix: [UInt8]

  init(_ bucketing: Bucketing, salt: String) {
    self.bucketing = bucketing
    murmur = Murmur3(prefix: salt, infix: bucketing == .unleash ? ":" : "")
    fnv = FNV1a(prefix: salt)
    suffix = Array(salt.utf8)
  }

  func bucket(_ user: Span<UInt8>) -> Int {
    let last = Bucketer.bucketCount - 1
    return switch bucketing {
    case .rollout, .flagd: murmur.bucket(user)
    case .flagdReversed: last - murmur.bucket(user)
    case .unleash: hundredth(user)
    case .goff: remainder(user)
    case .goffReversed: last - remainder(user)
    case .growthbook1: thousandth(user)
    case .growthbook1Reversed: last - thousandth(user)
    case .growthbook2: tenThousandth(user)
    case .growthbook2Reversed: last - tenThousandth(user)
    }
  }

  /// Unleash tells a hundred classes apart by the remainder; what the quotient says divides each of
  /// them evenly, so that a share of half a percent is half a percent.
  private func hundredth(_ user: Span<UInt8>) -> Int {
    let hash = UInt64(murmur.hash(user))
    let quotients = (1 << 32) / 100 + 1 as UInt64
    return Int(hash % 100 * 1000 + hash / 100 * 1000 / quotients)
  }

  private func remainder(_ user: Span<UInt8>) -> Int {
    var hasher = fnv
    hasher.update(user)
    return Int(hasher.value) % Bucketer.bucketCount
  }

  private func thousandth(_ user: Span<UInt8>) -> Int {
    var hasher = FNV1a()
    hasher.update(user)
    for byte in suffix { hasher.update(byte) }
    return Self.upperEdge(Int(hasher.value % 1000), size: 100)
  }

  private func tenThousandth(_ user: Span<UInt8>) -> Int {
    var inner = fnv
    inner.update(user)
    var outer = FNV1a()
    outer.update(digitsOf: inner.value)
    return Self.upperEdge(Int(outer.value % 10_000), size: 10)
  }

  /// GrowthBook includes a class that is at most the coverage, and we what is below a share: class
  /// 0 is in from the smallest share on, class n from n classes' share on.
  private static func upperEdge(_ number: Int, size: Int) -> Int { max(0, number * size - 1) }
}

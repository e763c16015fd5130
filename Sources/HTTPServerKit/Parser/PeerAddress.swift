import Glibc

/// Who is at the other end of a connection: an IPv6 address, in which IPv4 stands in its mapped
/// form (RFC 4291 §2.5.5.2). All zeros when nobody knows.
package struct PeerAddress: Sendable, Hashable {
  private let high: UInt64
  private let low: UInt64

  package static let unknown = PeerAddress(high: 0, low: 0)

  private static let mapped: UInt64 = 0xFFFF << 32

  private init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// What `accept` said.
  init(_ address: sockaddr_storage) {
    var address = address
    self = withUnsafeBytes(of: &address) { bytes in
      // By its bytes: which module brings the field differs between builds.
      switch Int32(bytes.load(as: UInt16.self)) {
      case AF_INET: PeerAddress(high: 0, low: Self.mapped | bigEndian(bytes[4..<8]))
      case AF_INET6: PeerAddress(high: bigEndian(bytes[8..<16]), low: bigEndian(bytes[16..<24]))
      default: .unknown
      }
    }
  }

  /// `192.0.2.1` or `2001:db8::1`, without a port; nil for anything else.
  package init?(_ text: String) {
    var four = in_addr()
    var six = in6_addr()
    if inet_pton(AF_INET, text, &four) == 1 {
      self = withUnsafeBytes(of: &four) { bytes in
        PeerAddress(high: 0, low: Self.mapped | bigEndian(bytes[0..<4]))
      }
    } else if inet_pton(AF_INET6, text, &six) == 1 {
      self = withUnsafeBytes(of: &six) { bytes in
        PeerAddress(high: bigEndian(bytes[0..<8]), low: bigEndian(bytes[8..<16]))
      }
    } else {
      return nil
    }
  }

  private var isFour: Bool { high == 0 && low >> 32 == 0xFFFF }

  /// Whether it is this machine: 127.0.0.0/8 or ::1.
  package var isLoopback: Bool {
    isFour ? low >> 24 & 0xFF == 127 : high == 0 && low == 1
  }

  /// Whom to count as one: an IPv4 address, or the /64 that one IPv6 subscriber has to himself.
  package var network: PeerAddress { isFour ? self : PeerAddress(high: high, low: 0) }

  /// The same for the same address; short, for keys and logs.
  package var text: String {
    guard !isFour else {
      return [24, 16, 8, 0].map { "\(low >> $0 & 0xFF)" }.joined(separator: ".")
    }
    return [high, low].flatMap { half in
      [48, 32, 16, 0].map { String(half >> $0 & 0xFFFF, radix: 16) }
    }.joined(separator: ":")
  }
}

private func bigEndian(_ bytes: Slice<UnsafeRawBufferPointer>) -> UInt64 {
  bytes.reduce(0) { $0 << 8 | UInt64($1) }
}

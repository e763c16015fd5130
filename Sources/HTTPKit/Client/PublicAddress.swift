internal import CCurl
import Glibc

/// Whether an address belongs to the public internet: neither loopback nor private, link-local
/// (where cloud metadata lives), shared, multicast or reserved. Source: the IANA special-purpose
/// address registries.
func isPublicAddress(_ address: UnsafePointer<sockaddr>) -> Bool {
  switch Int32(address.pointee.sa_family) {
  case AF_INET:
    return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
      isPublic(v4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
    }
  case AF_INET6:
    return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
      withUnsafeBytes(of: &UnsafeMutablePointer(mutating: pointer).pointee.sin6_addr) {
        isPublic(v6: Array($0))
      }
    }
  default: return false
  }
}

private func isPublic(v4 address: UInt32) -> Bool {
  let special: [(network: UInt32, bits: UInt32)] = [
    (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16),
    (0xAC10_0000, 12), (0xC000_0000, 24), (0xC000_0200, 24), (0xC0A8_0000, 16), (0xC612_0000, 15),
    (0xC633_6400, 24), (0xCB00_7100, 24), (0xE000_0000, 3),
  ]
  return !special.contains { address >> (32 - $0.bits) == $0.network >> (32 - $0.bits) }
}

private func isPublic(v6 bytes: [UInt8]) -> Bool {
  let last = bytes[12..<16].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
  // IPv4 in IPv6: mapped, compatible, and through NAT64.
  if bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == bytes[11], [0, 0xFF].contains(bytes[10]) {
    return isPublic(v4: last)
  }
  if bytes[..<4] == [0x00, 0x64, 0xFF, 0x9B] { return isPublic(v4: last) }
  // Only 2000::/3 is global unicast; of it not 2001:db8::/32, 6to4 and Teredo.
  guard bytes[0] & 0xE0 == 0x20 else { return false }
  if bytes[0] == 0x20, bytes[1] == 0x02 { return false }
  if bytes[..<4] == [0x20, 0x01, 0x0D, 0xB8] { return false }
  return bytes[..<4] != [0x20, 0x01, 0x00, 0x00]
}

/// Whether a textual address (`10.0.0.1`, `::1`) is public; nil when it is none. For tests and for
/// checking a configuration before it is used.
package func isPublicAddress(_ text: String) -> Bool? {
  var v4 = sockaddr_in()
  v4.sin_family = sa_family_t(AF_INET)
  if inet_pton(AF_INET, text, &v4.sin_addr) == 1 {
    return isPublic(v4: UInt32(bigEndian: v4.sin_addr.s_addr))
  }
  var v6 = in6_addr()
  guard inet_pton(AF_INET6, text, &v6) == 1 else { return nil }
  return withUnsafeBytes(of: &v6) { isPublic(v6: Array($0)) }
}

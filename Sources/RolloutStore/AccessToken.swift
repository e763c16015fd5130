import DigestKit
import RolloutCore

/// A token as its holder knows it: `ro_<id>_<secret>_<crc>`, all base 62.
///
/// The prefix and the checksum let scanners find leaked tokens without false alarms.
package struct AccessToken: Sendable {
  package static let idLength = 10
  package static let secretLength = 43
  package static let checksumLength = 6

  package let id: String
  /// 43 base-62 digits: 256 bits of randomness.
  package let secret: String

  package static func generate() -> AccessToken {
    AccessToken(id: randomText(idLength), secret: randomText(secretLength))
  }

  private init(id: String, secret: String) {
    self.id = id
    self.secret = secret
  }

  /// nil for anything that is not a token of ours: shape and checksum are verified.
  package init?(_ text: [UInt8]) {
    let length = 3 + Self.idLength + 1 + Self.secretLength + 1 + Self.checksumLength
    guard text.count == length, text.starts(with: "ro_".utf8) else { return nil }
    let parts = text.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false)
    guard parts.count == 4, parts[1].count == Self.idLength, parts[2].count == Self.secretLength,
      parts.dropFirst().allSatisfy({ $0.allSatisfy { digits.contains($0) } })
    else { return nil }
    id = String(decoding: parts[1], as: UTF8.self)
    secret = String(decoding: parts[2], as: UTF8.self)
    guard parts[3].elementsEqual(checksum.utf8) else { return nil }
  }

  /// What the holder is given, once.
  package var text: String { "ro_\(id)_\(secret)_\(checksum)" }

  package var secretHash: [UInt8] { Digest.sha256(Array(secret.utf8)) }

  private var checksum: String {
    var value = Int(crc32(Array("ro_\(id)_\(secret)".utf8)))
    var text: [UInt8] = []
    for _ in 0..<Self.checksumLength {
      text.append(digits[value % 62])
      value /= 62
    }
    return String(decoding: text.reversed(), as: UTF8.self)
  }

  /// Unbiased: bytes of 248 and more are drawn again.
  private static func randomText(_ count: Int) -> String {
    var text: [UInt8] = []
    while text.count < count {
      for byte in Digest.random(count) where byte < 248 && text.count < count {
        text.append(digits[Int(byte) % 62])
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}

private let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

/// CRC-32 (ISO 3309), bit by bit: a few dozen bytes, once per token made or presented.
private func crc32(_ bytes: [UInt8]) -> UInt32 {
  var crc: UInt32 = 0xFFFF_FFFF
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
  }
  return ~crc
}

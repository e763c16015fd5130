internal import CCrypto

/// Hashes and randomness from OpenSSL's libcrypto.
package enum Digest {
  /// Looked up once: OpenSSL 3 takes locks to find the method behind a name, each time it is asked.
  /// Never written to, and safe in any thread: OpenSSL counts its users atomically.
  private nonisolated(unsafe) static let sha256Method =
    EVP_MD_fetch(nil, "SHA256", nil) ?? EVP_sha256()

  /// 32 bytes.
  package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    // Only memory can be wanting, and Swift itself ends without that. What is no digest would go on
    // as a cache's key, or as a token.
    precondition(EVP_Digest(bytes, bytes.count, &digest, nil, sha256Method, nil) == 1)
    return digest
  }

  /// 32 bytes; RFC 2104 over SHA-256.
  package static func hmacSHA256(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    var length = UInt32(0)
    HMAC(sha256Method, key, Int32(key.count), bytes, bytes.count, &digest, &length)
    return digest
  }

  /// RFC 4648, with padding.
  package static func base64(_ bytes: [UInt8]) -> String {
    var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
    let length = EVP_EncodeBlock(&text, bytes, Int32(bytes.count))
    return String(decoding: text.prefix(Int(length)), as: UTF8.self)
  }

  /// nil for anything but whole, padded base64.
  package static func base64Decoded(_ text: String) -> [UInt8]? {
    let input = Array(text.utf8)
    guard !input.isEmpty, input.count % 4 == 0 else { return input.isEmpty ? [] : nil }
    var bytes = [UInt8](repeating: 0, count: input.count / 4 * 3)
    let length = EVP_DecodeBlock(&bytes, input, Int32(input.count))
    guard length >= 0 else { return nil }
    // EVP_DecodeBlock counts the zeros that padding stands for.
    let padding = input.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    guard padding <= 2, !input.dropLast(padding).contains(UInt8(ascii: "=")) else { return nil }
    return Array(bytes.prefix(Int(length) - padding))
  }

  /// Two lower-case digits a byte.
  package static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// Compares in time that depends on the length only.
  package static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count == b.count && CRYPTO_memcmp(a, b, a.count) == 0
  }

  /// Bytes from the system's generator. Stops the program when there are none: a guessable secret
  /// would be worse.
  package static func random(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    precondition(RAND_bytes(&bytes, Int32(count)) == 1, "the system has no randomness")
    return bytes
  }
}

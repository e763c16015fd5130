/// Names that say of a value that it is a secret: `DB_PASSWORD`, `client_secret`, `Set-Cookie`.
enum SecretName {
  /// Bytes of a name that are looked at.
  static let lengthMax = 64

  private static let anywhere = ["password", "passwd", "passphrase", "passcode", "passwort"]
  private static let endings = [
    "pwd", "secret", "secrets", "token", "apikey", "accesskey", "accesskeyid", "secretkey",
    "privatekey", "accountkey", "signingkey", "encryptionkey", "authkey", "sharedkey", "credential",
    "credentials", "sessionid", "cookie", "authorization", "bearer", "pass",
  ]
  private static let whole = ["pin", "cvv", "cvc", "otp", "totp", "pw", "auth"]

  static func isSecret(_ name: String) -> Bool { isSecret(Array(name.utf8.prefix(lengthMax))[...]) }

  static func isSecret(_ name: ArraySlice<UInt8>) -> Bool {
    let plain = plain(name)
    return anywhere.contains { plain.contains($0) } || endings.contains { plain.hasSuffix($0) }
      || whole.contains(plain) || whole.contains(lastWord(name))
  }

  /// `tokens`, `api_keys`: what a list of them is called.
  static func isPlural(_ name: String) -> Bool {
    let bytes = name.utf8.prefix(lengthMax)
    return bytes.last.map { $0 | 0x20 == UInt8(ascii: "s") } == true
      && isSecret(Array(bytes.dropLast())[...])
  }

  /// `DB_PW` → `pw`.
  private static func lastWord(_ name: ArraySlice<UInt8>) -> String {
    let start = name.lastIndex { [0x2D, 0x2E, 0x5F].contains($0) }.map { $0 + 1 }
    return plain(name[(start ?? name.startIndex)...])
  }

  /// Whether the value is the rest of the line: one cookie is not the whole of them.
  static func takesLine(_ name: ArraySlice<UInt8>) -> Bool {
    let plain = plain(name)
    return plain.hasSuffix("cookie") || plain.hasSuffix("authorization")
  }

  /// Its letters, small.
  static func plain(_ name: ArraySlice<UInt8>) -> String {
    var plain = ""
    for byte in name.suffix(lengthMax) {
      let small = byte | 0x20
      if (0x61...0x7A).contains(small), byte >= 0x41 {
        plain.unicodeScalars.append(Unicode.Scalar(small))
      }
    }
    return plain
  }
}

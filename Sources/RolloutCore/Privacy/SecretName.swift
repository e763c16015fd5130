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
  private static let whole = ["pin", "cvv", "cvc", "otp", "totp", "pw"]

  static func isSecret(_ name: String) -> Bool { isSecret(Array(name.utf8.prefix(lengthMax))[...]) }

  static func isSecret(_ name: ArraySlice<UInt8>) -> Bool {
    let plain = plain(name)
    return anywhere.contains { plain.contains($0) } || endings.contains { plain.hasSuffix($0) }
      || whole.contains(plain)
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

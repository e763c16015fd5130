import DigestKit
import DocumentKit
import RolloutCore
import RolloutGateway
import RolloutStore

/// The key of a Standard Webhooks signature.
struct WebhookSecret: Sendable {
  /// Seconds by which a timestamp may be off.
  static let tolerance = 300

  private let key: [UInt8]

  /// `whsec_` and base64, or the bytes themselves, 16 or more; nil for anything shorter.
  init?(_ text: String) {
    if text.hasPrefix("whsec_") {
      guard let key = Digest.base64Decoded(String(text.dropFirst(6))) else { return nil }
      self.key = key
    } else {
      key = Array(text.utf8)
    }
    guard key.count >= 16 else { return nil }
  }

  /// `v1,<base64>` over `id.timestamp.body`.
  func signature(id: String, timestamp: Int, body: [UInt8]) -> String {
    "v1," + Digest.base64(mac(id, timestamp, body))
  }

  private func mac(_ id: String, _ timestamp: Int, _ body: [UInt8]) -> [UInt8] {
    Digest.hmacSHA256(key: key, Array("\(id).\(timestamp).".utf8) + body)
  }

  /// Whether one of the space-separated signatures is ours and the timestamp is near `now`
  /// (seconds).
  func verifies(
    _ signatures: String, id: String, timestamp: Int, body: [UInt8], now: Int
  ) -> Bool {
    // Compared, not subtracted: the timestamp is whatever the sender wrote.
    guard (now - Self.tolerance...now + Self.tolerance).contains(timestamp) else { return false }
    let expected = mac(id, timestamp, body)
    return signatures.split(separator: " ").contains { item in
      guard item.hasPrefix("v1,"), let sent = Digest.base64Decoded(String(item.dropFirst(3))) else {
        return false
      }
      return Digest.equal(sent, expected)
    }
  }
}

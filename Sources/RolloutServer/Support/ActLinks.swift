import DigestKit
import DocumentKit
import RolloutCore
import RolloutStore

/// Makes and reads links that lead a person to one action on one plan as it stands: `/act/…` of the
/// dashboard.
///
/// A link gives no right, and opening it does nothing: who follows it signs in, is shown what would
/// be done, and does it with a token of their own. The signature says that it is ours; that it is
/// about one version of the plan, which every change ends, makes it good for one use.
struct ActLinks: Sendable {
  static let lifetime = TimeSpan.hours(24)
  private static let file = "links.key"
  private static let keySize = 32
  /// Characters of a link that are looked at.
  private static let sizeMax = 2048

  private let key: [UInt8]

  /// With a key that is kept in the data directory, so that links outlive a restart; on a disk that
  /// takes nothing with one that ends with the server.
  init(_ directory: DataDirectory, _ log: Log) {
    if let text = try? readFile("\(directory.path)/\(Self.file)"),
      let key = Digest.base64Decoded(String(decoding: text.filter { $0 != 0x0A }, as: UTF8.self)),
      key.count == Self.keySize
    {
      self.key = key
      return
    }
    key = Digest.random(Self.keySize)
    do { try directory.writeSecret(Digest.base64(key) + "\n", to: Self.file) } catch {
      log.error(
        "the key of links in messages could not be written; they end with the server",
        ["error": "\(error)"])
    }
  }

  /// The last part of its address.
  func text(_ link: ActLink) -> String {
    let payload = link.document.json
    return Self.encoded(payload) + "." + Self.encoded(Digest.hmacSHA256(key: key, payload))
  }

  /// nil for what is none of ours.
  func read(_ text: String) -> ActLink? {
    guard text.utf8.count <= Self.sizeMax else { return nil }
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let payload = Self.decoded(parts[0]),
      let mac = Self.decoded(parts[1]),
      Digest.equal(mac, Digest.hmacSHA256(key: key, payload))
    else { return nil }
    return (try? JSONReader.read(payload)).flatMap(ActLink.init)
  }

  /// Base64 as addresses have it (RFC 4648 §5).
  private static func encoded(_ bytes: [UInt8]) -> String {
    Digest.base64(bytes).replacing("+", with: "-").replacing("/", with: "_")
      .replacing("=", with: "")
  }

  private static func decoded(_ text: Substring) -> [UInt8]? {
    let plain = text.replacing("-", with: "+").replacing("_", with: "/")
    return Digest.base64Decoded(
      plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4))
  }
}

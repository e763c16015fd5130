import DigestKit
import DocumentKit
import RolloutCore
import RolloutGateway

/// Who sends alerts in a form of its own: an entry of `alerts.sources` of `rollout.yaml`, or one of
/// the forms that are known without any.
struct AlertSource: Sendable {
  /// Where a vendor puts the HMAC-SHA256 of the body.
  enum Signature: String, Sendable, CaseIterable {
    case grafana, pagerduty, sentry
    /// `X-Hub-Signature-256: sha256=…`, as many others have it.
    case hub

    var field: StaticString {
      switch self {
      case .grafana: "x-grafana-alerting-signature"
      case .pagerduty: "x-pagerduty-signature"
      case .sentry: "sentry-hook-signature"
      case .hub: "x-hub-signature-256"
      }
    }
  }

  private static let pathsMax = 16
  private static let secretSizeMin = 16

  let name: String
  var mapping: AlertMapping
  /// Signs its payloads; nil where a token is enough.
  private(set) var secret: [UInt8]?
  private(set) var signature = Signature.hub
  /// Whom payloads that come without a token may be about; nil for all.
  private(set) var features: Set<String>?

  /// One of the forms that are known.
  init(_ name: String, _ mapping: AlertMapping) {
    self.name = name
    self.mapping = mapping
    signature = Signature(rawValue: name) ?? .hub
  }

  /// An entry; what it does not say is as in the known form of its name.
  init(
    _ name: String, _ reader: inout ObjectReader, _ secrets: SecretSource
  ) throws(DocumentError) {
    self.init(name, AlertMapping.shipped[name] ?? AlertMapping())
    try Self.readPaths(&reader, &mapping)
    if let words = try reader.textOrTexts("firing") { mapping.firing = Self.words(words) }
    if let words = try reader.textOrTexts("resolved") { mapping.resolved = Self.words(words) }
    if let found = try secrets.read(&reader, "secret") {
      guard found.text.utf8.count >= Self.secretSizeMin else {
        throw reader.error(
          "secret_env", "\(quoted(found.name)) must hold \(Self.secretSizeMin) bytes or more.")
      }
      secret = Array(found.text.utf8)
    }
    if let kind: Signature = try reader.choice("signature") { signature = kind }
    if let names = try reader.texts("features") {
      guard !names.isEmpty, names.allSatisfy({ isName($0) }) else {
        throw reader.error("features", "Name one feature or more, or leave it out for all.")
      }
      features = Set(names)
    }
    guard mapping.status.isEmpty || !(mapping.firing.isEmpty && mapping.resolved.isEmpty) else {
      throw reader.error(
        "status", "Say which of its words mean that an alert fires: firing: [open].")
    }
    try reader.finish()
  }

  private static func readPaths(
    _ reader: inout ObjectReader, _ mapping: inout AlertMapping
  ) throws(DocumentError) {
    func paths(_ key: String) throws(DocumentError) -> [DocumentPath]? {
      guard let texts = try reader.textOrTexts(key) else { return nil }
      var paths: [DocumentPath] = []
      for text in texts {
        guard let path = DocumentPath(text) else {
          throw reader.error(
            key, "\(quoted(text)) is no path; write $.alert.details.feature, or $.tags#feature.")
        }
        paths.append(path)
      }
      guard (1...pathsMax).contains(paths.count) else {
        throw reader.error(key, "Give 1–\(pathsMax) paths.")
      }
      return paths
    }
    if let each = try paths("each") {
      guard each.count == 1 else { throw reader.error("each", "Give one path.") }
      mapping.each = each.first
    }
    mapping.id = try paths("id") ?? mapping.id
    mapping.name = try paths("name") ?? mapping.name
    mapping.feature = try paths("feature") ?? mapping.feature
    mapping.action = try paths("action") ?? mapping.action
    mapping.status = try paths("status") ?? mapping.status
    mapping.reason = try paths("reason") ?? mapping.reason
    mapping.at = try paths("at") ?? mapping.at
  }

  private static func words(_ texts: [String]) -> Set<String> {
    Set(texts.map { $0.lowercased() })
  }

  /// Every source there is: the known forms, and what `alerts.sources` says.
  static func all(
    _ alerts: inout ObjectReader, _ secrets: SecretSource
  ) throws(DocumentError) -> [String: AlertSource] {
    var sources = shipped
    guard var reader = try alerts.object("sources") else { return sources }
    for member in reader.all() {
      guard isName(member.key), !reserved.contains(member.key) else {
        throw reader.error(
          member.key, "A source is named by 1–128 of a–z A–Z 0–9 . _ -, and not alertmanager.")
      }
      var entry = try ObjectReader(
        member.value.isNull ? .object([:]) : member.value, path: reader.path(to: member.key))
      sources[member.key] = try AlertSource(member.key, &entry, secrets)
    }
    return sources
  }

  private static let reserved: Set<String> = ["alertmanager", "sources"]

  static let shipped: [String: AlertSource] = Dictionary(
    uniqueKeysWithValues: AlertMapping.shipped.map { ($0.key, AlertSource($0.key, $0.value)) })

  /// Whether one of the comma-separated signatures is ours: hexadecimal, some with a version or a
  /// name before it (`v1=…`, `sha256=…`).
  func verifies(_ signatures: String, _ body: [UInt8]) -> Bool {
    guard let secret else { return false }
    let expected = Array(Digest.hexadecimal(Digest.hmacSHA256(key: secret, body)).utf8)
    return signatures.split(separator: ",").prefix(Self.signaturesMax).contains { item in
      let text = item.split(separator: "=", maxSplits: 1).last.map { $0.lowercased() } ?? ""
      return Digest.equal(Array(text.utf8.drop { $0 == 0x20 }), expected)
    }
  }

  private static let signaturesMax = 8
}

import DocumentKit
import Glibc
import RolloutCore
import RolloutGateway
import YAMLKit

/// What `rollout.yaml` says.
struct ServerConfiguration: Sendable {
  /// Whether requests need tokens; off only on loopback.
  var authenticates = true
  /// Whether everybody may read `/metrics`.
  var hasOpenMetrics = false
  var gateway = GatewayConfiguration()
  /// Where people reach the dashboard, without a slash at its end; messages lead there.
  var publicURL: String?
  /// Who is told what happens.
  var notify: [NotifyReceiver] = []
  /// Where `prometheus` guards ask.
  var prometheus: PrometheusSettings?
  /// How long it is known who changed what.
  var auditKeep = TimeSpan.days(400)
  /// As the file says it, for what changes in it.
  private(set) var document = Document.object([:])
  /// Signs generic alerts; nil where their token is enough.
  var alertSecret: WebhookSecret?
  /// Who sends alerts in a form of its own, by name.
  var alertSources = AlertSource.shipped

  init() {}

  /// Reads a configuration. What this version does not do yet is refused, so that nobody relies on
  /// a limit that is not there.
  init(
    _ document: Document, environment: @escaping (String) -> String?
  ) throws(DocumentError) {
    try self.init(document, SecretSource(variable: environment))
  }

  init(_ document: Document, _ secrets: SecretSource) throws(DocumentError) {
    self.document = document
    var file = try ObjectReader(document)
    if let auth = try file.text("auth") {
      switch auth {
      case "on", "true": authenticates = true
      case "off", "false": authenticates = false
      default: throw file.error("auth", "Expected on or off.")
      }
    }
    if let metrics = try file.text("metrics") {
      switch metrics {
      case "open": hasOpenMetrics = true
      case "token": hasOpenMetrics = false
      default:
        throw file.error(
          "metrics", "Expected open (to everybody who reaches the server) or token.")
      }
    }
    publicURL = try Self.publicURL(&file)
    gateway = try GatewayConfiguration(&file, secrets: secrets)
    for (index, item) in (try file.list("notify") ?? []).enumerated() {
      let target = try NotifyReceiver(item, index: index, secrets)
      guard !notify.contains(where: { $0.name == target.name }) else {
        throw file.error("notify", "Two entries are named \(quoted(target.name)).")
      }
      notify.append(target)
    }
    if var reader = try file.object("prometheus") {
      prometheus = try PrometheusSettings(&reader, secrets)
    }
    if var reader = try file.object("alerts") {
      alertSecret = try secrets.webhookSecret(&reader)
      alertSources = try AlertSource.all(&reader, secrets)
      try reader.finish()
    }
    if var reader = try file.object("audit") { auditKeep = try Self.auditKeep(&reader) }
    try file.finish()
  }

  private static func publicURL(_ file: inout ObjectReader) throws(DocumentError) -> String? {
    guard var url = try file.text("public_url") else { return nil }
    while url.hasSuffix("/") { url.removeLast() }
    let scheme = ["https://", "http://"].first { url.hasPrefix($0) }
    let isPlain = url.dropFirst(scheme?.count ?? 0).utf8.allSatisfy {
      (0x21...0x7E).contains($0) && !"<>|\"?#/\\@".utf8.contains($0)
    }
    guard let scheme, url.utf8.count > scheme.utf8.count, url.utf8.count <= 512, isPlain else {
      throw file.error(
        "public_url",
        "Expected where people reach the dashboard, without a path: https://rollout.example.org.")
    }
    return url
  }

  private static func auditKeep(_ reader: inout ObjectReader) throws(DocumentError) -> TimeSpan {
    let text = try reader.requiredText("keep")
    guard let span = TimeSpan(text), span >= .days(1), span <= .days(3650) else {
      throw reader.error(
        "keep", TimeSpan.refusal(of: text, "Expected a duration from 1d to 3650d, such as 400d."))
    }
    try reader.finish()
    return span
  }

  /// Reads a file; errors name it, with line and column.
  static func load(_ path: String) throws -> ServerConfiguration {
    let bytes = try readFile(path)
    do throws(DocumentError) {
      let document =
        path.hasSuffix(".json") ? try JSONReader.read(bytes) : try YAMLReader.read(bytes)
      return try ServerConfiguration(
        document,
        SecretSource(
          variable: { name in getenv(name).map { String(cString: $0) } },
          file: { path in (try? readFile(path)).map { String(decoding: $0, as: UTF8.self) } }))
    } catch {
      throw ConfigurationError(description: "\(path):\(error)")
    }
  }
}

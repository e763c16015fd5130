import DocumentKit
import Glibc
import RolloutGateway
import YAMLKit

/// What `rollout.yaml` says.
struct ServerConfiguration: Sendable {
  /// Whether requests need tokens; off only on loopback.
  var authenticates = true
  /// Whether everybody may read `/metrics`.
  var hasOpenMetrics = false
  var gateway = GatewayConfiguration()
  /// Who is told what happens.
  var notify: [NotifyReceiver] = []
  /// Where `prometheus` guards ask.
  var prometheus: PrometheusSettings?
  /// Signs generic alerts; nil where their token is enough.
  var alertSecret: WebhookSecret?

  init() {}

  /// Reads a configuration. What this version does not do yet is refused, so that nobody relies on
  /// a limit that is not there.
  init(
    _ document: Document, environment: @escaping (String) -> String?
  ) throws(DocumentError) {
    try self.init(document, SecretSource(variable: environment))
  }

  init(_ document: Document, _ secrets: SecretSource) throws(DocumentError) {
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
      guard let secret = try secrets.webhookSecret(&reader) else {
        throw reader.error("secret_env", "Say where the secret is: secret_env or secret_file.")
      }
      alertSecret = secret
      try reader.finish()
    }
    try file.finish()
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

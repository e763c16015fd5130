import DocumentKit
import Glibc
import HTTPKit
import RolloutGateway

/// What `rollout.yaml` says.
struct ServerConfiguration: Sendable {
  /// Whether requests need tokens; off only on loopback.
  var authenticates = true
  /// Whether everybody may read `/metrics`.
  var hasOpenMetrics = false
  var gateway = GatewayConfiguration()
  /// Who is told what happens.
  var notify: [NotifyTarget] = []
  /// Where `prometheus` guards ask.
  var prometheus: PrometheusPoller.Settings?
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
      let target = try NotifyTarget(item, index: index, secrets)
      guard !notify.contains(where: { $0.name == target.name }) else {
        throw file.error("notify", "Two entries are named \(quoted(target.name)).")
      }
      notify.append(target)
    }
    if var reader = try file.object("prometheus") {
      prometheus = try PrometheusPoller.Settings(&reader, secrets)
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

/// The configuration cannot be used; exit code 78.
struct ConfigurationError: Error, CustomStringConvertible {
  var description: String
}

/// The whole of a file, up to 1 MiB. Of a pipe, which may have a writer that says nothing, what
/// comes within five seconds, if that is all.
func readFile(_ path: String) throws -> [UInt8] {
  // Without blocking: opening a pipe that nobody writes to would take for ever.
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else {
    throw ConfigurationError(description: "\(path): \(String(cString: strerror(errno)))")
  }
  defer { close(descriptor) }
  let patience = monotonicMilliseconds() + 5000
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0, errno == EAGAIN {
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let left = patience - monotonicMilliseconds()
      guard left > 0, poll(&waiting, 1, Int32(left)) > 0 else {
        throw ConfigurationError(description: "\(path): its end did not come within 5 s")
      }
      continue
    }
    guard count >= 0 else {
      throw ConfigurationError(description: "\(path): \(String(cString: strerror(errno)))")
    }
    if count == 0 { return bytes }
    bytes += buffer[..<count]
    guard bytes.count <= 1 << 20 else {
      throw ConfigurationError(description: "\(path): larger than 1 MiB")
    }
  }
}

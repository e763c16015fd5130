import DocumentKit
import HTTPKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutServer

/// A whole server on a free port with its own data, and a client that is its administrator.
final class TestServer: Sendable {
  struct Answer {
    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8]

    var json: Document { (try? JSONReader.read(body)) ?? .null }
    var text: String { String(decoding: body, as: UTF8.self) }
    var code: String? { json["code"]?.string }
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
  }

  let folder: TemporaryFolder
  let clock: ManualClock
  let application: Application
  let adminToken: String
  private let client: HTTPClient

  var port: Int { application.surface.server.port }

  /// `yaml` is the configuration; passing the folder of an earlier server is a restart.
  init(
    _ yaml: String = "{}", folder: TemporaryFolder = TemporaryFolder(),
    clock: ManualClock = ManualClock(), variables: [String: String] = [:],
    host: String = "127.0.0.1", looks: Bool = true,
    permissions: DataDirectory.Permissions = .init(), memory: Int? = nil
  ) async throws {
    self.folder = folder
    self.clock = clock
    var options = try ServerOptions([]) { _ in nil }
    options.host = host
    options.port = 0
    options.data = folder.path
    options.permissions = permissions
    // Read by `reload` only.
    options.config = "\(folder.path)/rollout.yaml"
    let configuration = try ServerConfiguration(YAMLReader.read(Array(yaml.utf8))) {
      variables[$0]
    }
    var environment = Application.Environment()
    environment.clock = clock
    environment.loops = 2
    // Nobody comes late here, and there are many servers to end.
    environment.limits.lastAcceptTime = 10
    environment.limits.lastRequestTime = 30
    if let memory { environment.memory = memory }
    if !looks { environment.lookInterval = nil }
    application = try await Application(options, configuration, environment)
    let token = String(decoding: try readFile("\(folder.path)/admin.token"), as: UTF8.self)
    adminToken = String(token.dropLast())
    client = try HTTPClient()
  }

  /// Writes the configuration and has the server read it again. Secrets come from files then.
  func reload(_ yaml: String) async {
    _ = folder.write(yaml, to: "rollout.yaml")
    await application.reload()
  }

  func stop() async { await application.shutDown() }

  /// Sends a request as the administrator, or with another token; an empty one sends none.
  func send(
    _ method: String, _ path: String, _ body: String = "", token: String? = nil,
    headers: [(name: String, value: String)] = []
  ) async throws -> Answer {
    var all = headers
    let token = token ?? adminToken
    if !token.isEmpty { all.append(("Authorization", "Bearer \(token)")) }
    let call = HTTPCall(
      method, "http://127.0.0.1:\(port)\(path)", headers: all, body: Array(body.utf8))
    let (head, body) = try await client.execute(call)
    return Answer(status: head.status, headers: head.headers.all, body: body)
  }

  func stream(_ path: String, headers: [(name: String, value: String)] = []) async throws
    -> HTTPStream
  {
    var call = HTTPCall(
      "GET", "http://127.0.0.1:\(port)\(path)",
      headers: headers + [("Authorization", "Bearer \(adminToken)")])
    call.timeouts.idle = 20
    return try await client.stream(call)
  }

  /// Applies a plan with the default stages and starts it.
  @discardableResult
  func startPlan(_ feature: String = "ai-summary", _ more: String = "") async throws -> Int {
    let plan = #"{"feature":"\#(feature)"\#(more)}"#
    let applied = try await send("PUT", "/v1/plans/\(feature)", plan)
    try #require(applied.status == 201, "\(applied.text)")
    return try await command("start", feature)
  }

  /// Sends a command at the present version and returns the new one. Its reason passes what is not
  /// open yet.
  @discardableResult
  func command(
    _ name: String, _ feature: String = "ai-summary", _ body: String = #"{"reason":"a test"}"#
  ) async throws -> Int {
    let plan = try await send("GET", "/v1/plans/\(feature)")
    let version = try #require(plan.json["version"]?.int)
    let answer = try await send(
      "POST", "/v1/plans/\(feature)/\(name)", body, headers: [("If-Match", "\"\(version)\"")])
    try #require(answer.status == 200, "\(name): \(answer.text)")
    return try #require(answer.json["version"]?.int)
  }

  func stage(_ feature: String = "ai-summary") async throws -> String? {
    try await send("GET", "/v1/plans/\(feature)").json["stage"]?.string
  }

  /// Waits for the monitor to have done something.
  func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<100 {
      if try await condition() { return true }
      try await Task.sleep(for: .milliseconds(50))
    }
    return try await condition()
  }
}

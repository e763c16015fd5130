import DocumentKit
import Glibc
import RolloutTesting
import Testing

@testable import RolloutServer

/// What a new configuration changes while the server runs, and what it leaves alone.
@Suite struct ReloadTests {
  private let upstream = ScriptedUpstream()
  private let path = "/features/ai-summary/v1/chat/completions"

  private func chat(_ user: String = "anna") -> String {
    #"{"max_tokens":9,"messages":[{"role":"user","content":"hello"}],"user":"\#(user)"}"#
  }

  private func yaml(_ provider: String = "", model: String = "m", more: String = "") -> String {
    """
    providers: {main: {kind: openai, base_url: "\(upstream.url)"\(provider)}}
    routes: {main: {deadline: 5s, targets: [{provider: main, model: \(model)}]}}
    \(more)
    """
  }

  private func start(_ yaml: String) async throws -> TestServer {
    let server = try await TestServer(yaml)
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    return server
  }

  private func warnings(_ server: TestServer) async throws -> String {
    try await server.send("GET", "/readyz").json["warnings"]?.jsonText ?? ""
  }

  private func isReloadGood(_ server: TestServer) async throws -> Bool {
    try await server.send("GET", "/metrics").text.contains(
      "\nrollout_config_last_reload_successful 1\n")
  }

  @Test func `routes, prices, limits and budgets are those of the file`() async throws {
    let server = try await start(yaml())
    upstream.always(.chat("hello"))
    #expect(try await server.send("POST", path, chat()).status == 200)
    #expect(upstream.requests.last?.contains(#""model":"m""#) == true)
    await server.reload(
      yaml(
        model: "n",
        more: """
          prices: {n: {input: 1000, output: 1000}}
          limits: {per_user: 2/h}
          budgets: [{name: total, limit_usd: 100}]
          """))
    let answer = try await server.send("POST", path, chat())
    #expect(answer.header("x-ratelimit-limit-requests") == "2")
    #expect(upstream.requests.last?.contains(#""model":"n""#) == true)
    let budgets = try await server.send("GET", "/v1/budgets").json["budgets"]?.array
    #expect(budgets?.first?["name"]?.string == "total")
    #expect((budgets?.first?["spent_usd"]?.double ?? 0) > 0)
    #expect(try await isReloadGood(server))
    await server.stop()
  }

  @Test func `a sample of captures begins and ends with the file`() async throws {
    let server = try await start(yaml())
    upstream.always(.chat("hello"))
    func count() async throws -> Int? {
      try await server.send("GET", "/v1/captures?feature=ai-summary").json["captures"]?.array?.count
    }
    #expect(try await server.send("POST", path, chat()).status == 200)
    await server.reload(yaml(more: "capture: {sample: 100%, ttl: 1h}"))
    #expect(try await server.send("POST", path, chat()).status == 200)
    #expect(try await server.eventually { try await count() == 1 })
    await server.reload(yaml())
    #expect(try await server.send("POST", path, chat()).status == 200)
    await server.reload(yaml(more: "capture: {sample: 100%, ttl: 1h, features: [other]}"))
    #expect(try await server.send("POST", path, chat()).status == 200)
    try await Task.sleep(for: .milliseconds(300))
    #expect(try await count() == 1)
    await server.stop()
  }

  @Test func `the Prometheus server that is asked is the file's`() async throws {
    let (first, second) = (ScriptedUpstream(), ScriptedUpstream())
    let body = #"{"status":"success","data":{"resultType":"scalar","result":[1,"0.01"]}}"#
    for prometheus in [first, second] {
      prometheus.always(
        .send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"))
    }
    let server = try await TestServer("prometheus: {url: \"\(first.url)\", interval: 1s}")
    try await server.startPlan("ai-summary", #","guards":[{"prometheus":"errors","max":0.05}]"#)
    #expect(try await server.eventually { !first.requests.isEmpty })
    await server.reload("prometheus: {url: \"\(second.url)\", interval: 1s}")
    #expect(try await server.eventually { !second.requests.isEmpty })
    await server.reload("{}")
    #expect(
      try await server.eventually {
        try await server.send("GET", "/v1/plans/ai-summary/health").text
          .contains("configuration names no prometheus")
      })
    await server.stop()
  }

  @Test func `a request under way ends with the configuration it began with`() async throws {
    let server = try await start(yaml())
    upstream.next(.wait(milliseconds: 600), .chat("slow", model: "old"))
    let first = Task { try await server.send("POST", path, chat()) }
    #expect(try await server.eventually { upstream.requests.count == 1 })
    await server.reload(
      yaml(model: "n", more: "budgets: [{name: none, limit_usd: 0.000001, hard: true}]"))
    let second = try await server.send("POST", path, chat())
    #expect(second.status == 429, "\(second.text)")
    #expect(second.header("x-rollout-reason") == "unknown_price", "\(second.headers)")
    let answer = try await first.value
    #expect(answer.status == 200)
    #expect(answer.json["model"]?.string == "old")
    await server.stop()
  }

  @Test(
    arguments: [
      "providers: {", "nonsense: 1", "routes: {r: {targets: [{provider: x, model: y}]}}",
      "providers: {main: {kind: openai, base_url: \"http://a\", api_key_env: NOT_SET_ANYWHERE}}",
      "providers: {main: {kind: openai, base_url: \"http://a\", api_key_file: /not/there}}",
      // The plan that serves needs its route.
      "providers: {}",
    ])
  func `a file that is wrong changes nothing, and it is said`(bad: String) async throws {
    let server = try await start(yaml(more: "budgets: [{name: kept, limit_usd: 1, hard: false}]"))
    upstream.always(.chat("hello"))
    await server.reload("budgets: [{name: new, limit_usd: 1, hard: false}]\n" + bad)
    let said = try await warnings(server)
    #expect(said.contains("configuration") && said.contains("rollout.yaml"), "\(said)")
    #expect(said.contains("stays in force"))
    #expect(try await server.send("GET", "/readyz").status == 200)
    #expect(try await !isReloadGood(server))
    #expect(try await server.send("GET", "/v1/budgets").text.contains("kept"))
    #expect(try await server.send("POST", path, chat()).status == 200)
    await server.reload(yaml())
    #expect(try await warnings(server) == "[]")
    #expect(try await isReloadGood(server))
    #expect(try await !server.send("GET", "/v1/budgets").text.contains("kept"))
    await server.stop()
  }

  @Test func `what was used up stays used up while the limit is the same`() async throws {
    let server = try await start(yaml(more: "limits: {per_user: 1/h}"))
    upstream.always(.chat("hello"))
    #expect(try await server.send("POST", path, chat()).status == 200)
    await server.reload(yaml(model: "n", more: "limits: {per_user: 1/h, per_app: 9/h}"))
    #expect(try await server.send("POST", path, chat()).status == 429)
    await server.reload(yaml(more: "limits: {per_user: 2/h}"))
    #expect(try await server.send("POST", path, chat()).status == 200)
    await server.reload(yaml())
    #expect(
      try await server.send("POST", path, chat()).header("x-ratelimit-limit-requests") == nil)
    await server.stop()
  }

  @Test func `a breaker stays open while its provider is the same, and not for another`()
    async throws
  {
    let server = try await start(yaml())
    upstream.always(.answer(500, "{}"))
    func breaker() async throws -> String? {
      let list = try await server.send("GET", "/v1/providers").json["providers"]?.array
      return list?.first?["models"]?.array?.first?["breaker"]?.string
    }
    for index in 0..<30 { _ = try await server.send("POST", path, chat("u\(index)")) }
    #expect(try await breaker() == "open")
    await server.reload(yaml(more: "limits: {per_user: 100/h}"))
    #expect(try await breaker() == "open")
    upstream.always(.chat("hello"))
    await server.reload(yaml(", max_in_flight: 7"))
    #expect(try await breaker() == "closed")
    #expect(try await server.send("POST", path, chat()).status == 200)
    await server.stop()
  }

  @Test func `calls under way count for the new room of their provider too`() async throws {
    let server = try await start(yaml(", max_in_flight: 5", more: "limits: {queue: {length: 0}}"))
    upstream.next(.wait(milliseconds: 800), .chat("slow"))
    let first = Task { try await server.send("POST", path, chat()) }
    #expect(try await server.eventually { upstream.requests.count == 1 })
    await server.reload(yaml(", max_in_flight: 1", more: "limits: {queue: {length: 0}}"))
    #expect(try await server.send("POST", path, chat()).status == 503)
    let list = try await server.send("GET", "/v1/providers").json["providers"]?.array
    #expect(list?.first?["in_flight"]?.int == 1)
    #expect(try await first.value.status == 200)
    upstream.always(.chat("hello"))
    #expect(try await server.send("POST", path, chat()).status == 200)
    await server.stop()
  }

  @Test func `a key in a file is renewed, and a refused one does not stand in its way`()
    async throws
  {
    let folder = TemporaryFolder()
    let file = folder.write("sk-old\n", to: "openai.key")
    let server = try await start(yaml())
    let yaml = yaml(", api_key_file: \"\(file)\"")
    await server.reload(yaml)
    upstream.next(.answer(401, #"{"error":{"message":"no","code":"invalid_api_key"}}"#))
    upstream.always(.chat("hello"))
    #expect(try await server.send("POST", path, chat()).status != 200)
    #expect(upstream.requests.last?.contains("Bearer sk-old\r\n") == true)
    // The key rests; the same file again changes nothing about that.
    await server.reload(yaml)
    let asked = upstream.requests.count
    #expect(try await server.send("POST", path, chat()).status != 200)
    #expect(upstream.requests.count == asked)
    _ = folder.write("sk-new\n", to: "openai.key")
    await server.reload(yaml)
    #expect(try await server.send("POST", path, chat()).status == 200)
    #expect(upstream.requests.last?.contains("Bearer sk-new\r\n") == true)
    #expect(try await !server.send("GET", "/v1/providers").text.contains("sk-"))
    await server.stop()
  }

  @Test func `who is told, what signs alerts and who reads metrics are those of the file`()
    async throws
  {
    let folder = TemporaryFolder()
    let secret = folder.write("0123456789abcdef", to: "secret")
    upstream.always(.send("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"))
    let server = try await TestServer()
    let from = [(name: "X-Forwarded-For", value: "192.0.2.1")]
    #expect(try await server.send("GET", "/metrics", token: "", headers: from).status == 401)
    let alert = #"{"id":"1","feature":"x"}"#
    #expect(try await server.send("POST", "/v1/alerts", alert).status == 200)
    await server.reload(
      """
      metrics: open
      alerts: {secret_file: "\(secret)"}
      notify: [{kind: webhook, url: "\(upstream.url)/hook", secret_file: "\(secret)", allow_private: true}]
      """)
    #expect(try await server.send("GET", "/metrics", token: "", headers: from).status == 200)
    #expect(try await server.send("POST", "/v1/alerts", alert).status == 401)
    try await server.startPlan()
    #expect(try await server.eventually { upstream.requests.count == 2 })
    #expect(upstream.requests.last?.contains("webhook-signature: v1,") == true)
    await server.stop()
  }

  @Test func `what needs a restart stays as it is`() async throws {
    let server = try await TestServer()
    await server.reload("auth: off\nmetrics: open")
    #expect(try await server.send("GET", "/v1/plans", token: "").status == 401)
    let from = [(name: "X-Forwarded-For", value: "192.0.2.1")]
    #expect(try await server.send("GET", "/metrics", token: "", headers: from).status == 200)
    #expect(try await server.send("GET", "/readyz").json["auth"]?.string == "tokens")
    await server.stop()
  }

  @Test
  func `a configuration that is a pipe nobody writes to holds up neither this reload nor the next`()
    async throws
  {
    let server = try await TestServer()
    let path = "\(server.folder.path)/rollout.yaml"
    #expect(mkfifo(path, 0o600) == 0)
    // Held open for writing, and silent.
    let silent = open(path, O_RDWR)
    await server.application.reload()
    #expect(server.application.stores.readiness.warnings.contains { $0.what == "configuration" })
    close(silent)
    unlink(path)
    await server.reload("metrics: open\n")
    #expect(!server.application.stores.readiness.warnings.contains { $0.what == "configuration" })
    await server.stop()
  }
}

import DigestKit
import DocumentKit
import HTTPKit
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutServer

@Suite struct NotifyTests {
  private let upstream = ScriptedUpstream()
  private let secret = "whsec_" + Digest.base64(Array("0123456789abcdef01234567".utf8))

  private func start(_ more: String = "") async throws -> TestServer {
    try await TestServer(
      """
      notify:
        - {kind: webhook, name: hook, url: "\(upstream.url)/hook", secret_env: HOOK, allow_private: true\(more)}
      """, variables: ["HOOK": secret])
  }

  private let ok = ScriptedUpstream.Step.send(
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")

  private func field(_ name: String, of request: String) -> String? {
    request.split(separator: "\r\n").first { $0.lowercased().hasPrefix("\(name): ") }
      .map { String($0.dropFirst(name.count + 2)) }
  }

  @Test func `plan changes reach a webhook, signed by Standard Webhooks`() async throws {
    upstream.always(ok)
    let server = try await start()
    try await server.startPlan()
    #expect(try await server.eventually { upstream.requests.count == 2 })
    let request = try #require(upstream.requests.first { $0.contains("rollout.started") })
    let body = try #require(request.split(separator: "\r\n\r\n").last)
    let document = try JSONReader.read(Array(body.utf8))
    #expect(document["type"]?.string == "rollout.started")
    #expect(document["data"]?["feature"]?.string == "ai-summary")
    #expect(document["data"]?["version"]?.int == 2)
    let id = try #require(field("webhook-id", of: request))
    #expect(id == "evt_2")
    let timestamp = try #require(field("webhook-timestamp", of: request).flatMap { Int($0) })
    let signature = try #require(field("webhook-signature", of: request))
    let key = try #require(WebhookSecret(secret))
    #expect(
      key.verifies(
        signature, id: id, timestamp: timestamp, body: Array(body.utf8), now: timestamp))
    #expect(
      !key.verifies(
        signature, id: id, timestamp: timestamp, body: Array(body.utf8), now: timestamp + 301))
    #expect(!key.verifies(signature, id: "evt_3", timestamp: timestamp, body: [], now: timestamp))
    await server.stop()
  }

  @Test func `a failing webhook is tried again, over a restart too, with the same id`()
    async throws
  {
    let fail = ScriptedUpstream.Step.send(
      "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
    upstream.always(fail)
    let server = try await start(", events: [started]")
    try await server.startPlan()
    #expect(try await server.eventually { upstream.requests.count == 1 })
    server.clock.advance(.seconds(2))
    #expect(try await server.eventually { upstream.requests.count == 2 })
    await server.stop()
    upstream.always(ok)
    server.clock.advance(.seconds(6))
    let again = try await TestServer(
      """
      notify:
        - {kind: webhook, name: hook, url: "\(upstream.url)/hook", secret_env: HOOK, allow_private: true, events: [started]}
      """, folder: server.folder, clock: server.clock, variables: ["HOOK": secret])
    #expect(try await again.eventually { upstream.requests.count == 3 })
    #expect(Set(upstream.requests.map { field("webhook-id", of: $0) }) == ["evt_2"])
    server.clock.advance(.hours(30))
    try await Task.sleep(for: .milliseconds(300))
    #expect(upstream.requests.count == 3)
    await again.stop()
  }

  @Test func `redirects are failures, a target that is gone is given up`() async throws {
    upstream.next(
      .send("HTTP/1.1 302 Found\r\nLocation: \(upstream.url)/x\r\nContent-Length: 0\r\n\r\n"))
    upstream.next(.send("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"))
    let server = try await start(", events: [applied]")
    _ = try await server.send("PUT", "/v1/plans/a", #"{"feature":"a"}"#)
    #expect(try await server.eventually { upstream.requests.count == 1 })
    server.clock.advance(.seconds(2))
    #expect(try await server.eventually { upstream.requests.count == 2 })
    #expect(
      try await server.eventually {
        try await server.send("GET", "/metrics").text.contains("rollout_outbox_given_up 1")
      })
    await server.stop()
  }

  @Test func `Slack gets one line, and nobody's reason becomes markup`() async throws {
    upstream.always(ok)
    let server = try await TestServer(
      "notify: [{kind: slack, url_env: SLACK, allow_private: true}]",
      variables: ["SLACK": "\(upstream.url)/slack"])
    try await server.startPlan()
    try await server.command("kill", "ai-summary", #"{"reason":"<!channel> & more"}"#)
    #expect(try await server.eventually { upstream.requests.count == 3 })
    let last = try #require(upstream.requests.first { $0.contains("killed") })
    #expect(
      last.contains(
        #"{"text":"*ai-summary* killed by token:admin — &lt;!channel&gt; &amp; more"}"#))
    await server.stop()
  }

  @Test func `PagerDuty gets an incident for as long as somebody should look`() async throws {
    upstream.always(ok)
    let server = try await TestServer(
      """
      public_url: https://rollout.example.org/
      notify:
        - {kind: pagerduty, routing_key_env: KEY, url: "\(upstream.url)/v2/enqueue", allow_private: true}
      """, variables: ["KEY": "R0UT1NGKEY"])
    func bodies() throws -> [Document] {
      try upstream.requests.map { request in
        let body = try #require(request.split(separator: "\r\n\r\n").last)
        return try JSONReader.read(Array(body.utf8))
      }
    }
    try await server.startPlan()
    try await server.command("advance")
    #expect(try await server.eventually { upstream.requests.count == 2 })
    #expect(try bodies().allSatisfy { $0["event_action"]?.string == "resolve" })
    _ = try await server.send(
      "POST", "/v1/alerts",
      #"{"id":"1","feature":"ai-summary","reason":"too \u001b many\n*errors*"}"#)
    #expect(try await server.eventually { upstream.requests.count == 3 })
    let opened = try #require(try bodies().last)
    #expect(opened["event_action"]?.string == "trigger")
    #expect(opened["routing_key"]?.string == "R0UT1NGKEY")
    #expect(opened["dedup_key"]?.string == "rollout:ai-summary")
    #expect(opened["client_url"]?.string == "https://rollout.example.org/plans/ai-summary")
    let payload = try #require(opened["payload"])
    #expect(payload["severity"]?.string == "critical")
    #expect(payload["class"]?.string == "rolled_back")
    #expect(payload["component"]?.string == "ai-summary")
    let summary = try #require(payload["summary"]?.string)
    #expect(summary.hasPrefix("ai-summary rolled back from beta to internal by alert:generic"))
    #expect(summary.utf8.allSatisfy { $0 >= 0x20 }, "on one line")
    #expect(payload["custom_details"]?["version"]?.int == 4)
    // Paused opens nothing; acknowledged ends it.
    try await server.command("pause")
    try await server.command("acknowledge")
    #expect(try await server.eventually { upstream.requests.count == 4 })
    let ended = try #require(try bodies().last)
    #expect(ended["event_action"]?.string == "resolve")
    #expect(ended["dedup_key"]?.string == "rollout:ai-summary")
    try await server.command("kill", "ai-summary", #"{"reason":"enough"}"#)
    #expect(try await server.eventually { upstream.requests.count == 5 })
    #expect(try bodies().last?["payload"]?["severity"]?.string == "warning", "a person knows of it")
    await server.stop()
  }

  @Test func `messages lead to the plan where the configuration says where that is`() async throws {
    upstream.always(ok)
    let server = try await TestServer(
      """
      public_url: https://rollout.example.org:8443
      notify:
        - {kind: slack, url_env: URL, allow_private: true}
        - {kind: webhook, url_env: URL, allow_private: true}
      """, variables: ["URL": upstream.url])
    _ = try await server.send("PUT", "/v1/plans/a.b-c", #"{"feature":"a.b-c"}"#)
    #expect(try await server.eventually { upstream.requests.count == 2 })
    let all = upstream.requests.joined()
    #expect(all.contains("<https://rollout.example.org:8443/plans/a.b-c|look>"))
    #expect(all.contains(#""url":"https://rollout.example.org:8443/plans/a.b-c""#))
    await server.stop()
  }

  @Test func `private addresses are refused unless the entry allows them`() async throws {
    upstream.always(ok)
    let client = try HTTPClient()
    for host in ["127.0.0.1", "localhost"] {
      var call = HTTPCall("POST", "http://\(host):\(upstream.port)/", body: [0x7B, 0x7D])
      call.allowsPrivateAddresses = false
      await #expect(throws: HTTPFailure.self) { try await client.execute(call) }
    }
    #expect(upstream.requests.isEmpty)
    for (address, isPublic) in [
      ("8.8.8.8", true), ("10.1.2.3", false), ("172.16.0.1", false), ("172.32.0.1", true),
      ("192.168.1.1", false), ("169.254.169.254", false), ("100.64.0.1", false), ("0.0.0.0", false),
      ("224.0.0.1", false), ("::1", false), ("fe80::1", false), ("fd00::1", false),
      ("::ffff:127.0.0.1", false), ("::ffff:8.8.8.8", true), ("64:ff9b::7f00:1", false),
      ("2606:4700::1111", true), ("2001:db8::1", false), ("2002:7f00:1::", false),
      ("ff02::1", false),
    ] { #expect(isPublicAddress(address) == isPublic, "\(address)") }
  }

  @Test(arguments: [
    "notify: [{kind: pigeon, url: \"https://a.example\"}]", "notify: [{kind: webhook}]",
    "notify: [{kind: webhook, url: \"http://a.example\"}]",
    "notify: [{kind: webhook, url: \"https://a.example\", secret_env: NONE}]",
    "notify: [{kind: webhook, url: \"https://a.example\", events: [sneezed]}]",
    "notify: [{kind: slack, name: a, url: \"https://a.example\"}, {kind: slack, name: a, url: \"https://b.example\"}]",
    "prometheus: {url: \"ftp://a\"}", "prometheus: {url: \"http://a\", interval: 5m}",
    "alerts: {secret_env: NONE}", "notify: [{kind: pagerduty}]",
    "notify: [{kind: pagerduty, routing_key_env: NONE}]", "public_url: rollout.example.org",
    "public_url: \"https://\"", "public_url: \"https://a b\"", "public_url: \"https://a/?q\"",
    "public_url: \"https://a|b>\"", "public_url: \"https://a/b\"",
  ])
  func `a wrong entry is refused at the start`(yaml: String) {
    #expect(throws: DocumentError.self) {
      try ServerConfiguration(YAMLReader.read(Array(yaml.utf8))) { _ in nil }
    }
  }

  @Test func `signed alerts act, unsigned and replayed ones do not`() async throws {
    let server = try await TestServer(
      "alerts: {secret_env: ALERTS}", variables: ["ALERTS": secret])
    try await server.startPlan()
    try await server.command("advance")
    let body = #"{"feature":"ai-summary","action":"rollback","reason":"smoke","id":"1"}"#
    let key = try #require(WebhookSecret(secret))
    func post(_ timestamp: Int, _ signed: String? = nil) async throws -> TestServer.Answer {
      let signature = key.signature(
        id: "msg_1", timestamp: timestamp, body: Array((signed ?? body).utf8))
      return try await server.send(
        "POST", "/v1/alerts", body,
        headers: [
          ("webhook-id", "msg_1"), ("webhook-timestamp", "\(timestamp)"),
          ("webhook-signature", "v1,bm90IGl0 \(signature)"),
        ])
    }
    let now = Int(server.clock.now.milliseconds / 1000)
    #expect(try await server.send("POST", "/v1/alerts", body).status == 401)
    #expect(try await post(now - 301).status == 401)
    #expect(try await post(now, "{}").status == 401)
    #expect(try await server.stage() == "beta")
    #expect(try await post(now).json["results"]?.array?.first?["acted"]?.bool == true)
    #expect(try await post(now).json["results"]?.array?.first?["why"]?.string == "repeat")
    #expect(try await server.stage() == "internal")
    await server.stop()
  }

  @Test func `a Prometheus guard acts on the value, and no answer is unavailable`() async throws {
    func answer(_ result: String) -> ScriptedUpstream.Step {
      let body = #"{"status":"success","data":{"resultType":"vector","result":[\#(result)]}}"#
      return .send(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
      )
    }
    upstream.always(answer(""))
    let server = try await TestServer(
      "prometheus: {url: \"\(upstream.url)\", interval: 1s}")
    try await server.startPlan(
      "ai-summary",
      #","preset":"sensitive","guards":[{"prometheus":"errors{feature=\"{{feature}}\"}","max":0.05}]"#
    )
    try await server.command("advance")
    func guardState() async throws -> (state: String?, sentence: String?) {
      let found = try await server.send("GET", "/v1/plans/ai-summary/health").json["guards"]?.array?
        .first
      return (found?["state"]?.string, found?["sentence"]?.string)
    }
    #expect(
      try await server.eventually {
        try await guardState().sentence?.contains("the query has no result") == true
      })
    #expect(try await guardState().state == "unavailable")
    #expect(
      upstream.requests.first?.contains("query=errors%7Bfeature%3D%22ai-summary%22%7D") == true)
    upstream.always(answer(#"{"metric":{},"value":[1,"0.01"]}"#))
    #expect(try await server.eventually { try await guardState().state == "quiet" })
    upstream.always(answer(#"{"metric":{},"value":[1,"0.2"]}"#))
    #expect(try await server.eventually { try await server.stage() == "internal" })
    await server.stop()
  }

  @Test(arguments: [
    (200, #"{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}"#, 2.5),
    (200, #"{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}"#, nil),
    (200, #"{"status":"success","data":{"resultType":"scalar","result":[1,"1e-05"]}}"#, 1e-05),
    (200, #"{"status":"success","data":{"resultType":"scalar","result":[1,"0x10"]}}"#, nil),
    (200, #"{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}}"#, nil),
    (200, #"{"status":"success","data":{"resultType":"scalar","result":[1,"infinity"]}}"#, nil),
    (200, #"{"status":"success","data":{"resultType":"scalar","result":[1,"0x1p4"]}}"#, nil),
    (
      200,
      #"{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"1"]},{"value":[1,"2"]}]}}"#,
      nil
    ),
    (400, #"{"status":"error","error":"parse error"}"#, nil), (502, "<html>", nil),
    (200, #"{"status":"success","data":{"resultType":"matrix","result":[]}}"#, nil),
  ])
  func `answers of Prometheus are read strictly`(status: Int, body: String, value: Double?) {
    let sample = PrometheusPoller.sample(status: status, Array(body.utf8))
    if let value {
      #expect(sample == .value(value))
    } else {
      guard case .unavailable = sample else {
        Issue.record("\(sample)")
        return
      }
    }
  }

  @Test func `a reason with line breaks and marks stays in its line in Slack`() {
    let event = PlanEvent(
      feature: "ai-summary", version: 3, at: Samples.start, kind: .paused, actor: .token("anna"),
      reason: "ok\n*ai-summary* killed by token:boss\u{2028}<!channel>\u{202E}", from: nil,
      to: .init(stage: "beta", status: .paused), evidence: nil)
    let text = HTTPMessenger.text(.event(StoredEvent(id: 1, event: event)))
    let lines = text.split(whereSeparator: \.isNewline)
    #expect(lines.count == 1, "\(text)")
    #expect(text.hasSuffix("killed by token:boss\\u{2028}&lt;!channel&gt;\\u{202E}"), "\(text)")
  }
}

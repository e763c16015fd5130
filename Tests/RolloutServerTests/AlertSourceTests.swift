import DigestKit
import DocumentKit
import RolloutCore
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutServer

/// Alerts in the forms that others have, as their documentation shows them.
@Suite struct AlertSourceTests {
  private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
  private static let secret = "0123456789abcdef-secret"
  private static let start = Instant(rfc3339: "2026-11-23T08:00:00Z") ?? Samples.start

  private func fixture(_ name: String) throws -> String {
    String(decoding: try readFile("\(Self.root)/Tests/Fixtures/\(name).json"), as: UTF8.self)
  }

  /// A server at the time of the payloads, whose feature is at its second stage.
  private func server(
    _ yaml: String = "{}", variables: [String: String] = [:]
  ) async throws -> TestServer {
    let clock = ManualClock()
    clock.set(Self.start)
    let server = try await TestServer(yaml, clock: clock, variables: variables)
    try await server.startPlan()
    try await server.command("advance")
    clock.set(Self.start + .hours(3))
    return server
  }

  private func token(_ server: TestServer, _ more: String = "") async throws -> String {
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"alerts","scopes":["alert"]\#(more)}"#)
    return try #require(made.json["token"]?.string, "\(made.text)")
  }

  private func results(_ answer: TestServer.Answer) -> [String] {
    (answer.json["results"]?.array ?? []).map { result in
      result["acted"]?.bool == true ? "acted" : result["why"]?.string ?? "?"
    }
  }

  @Test(arguments: [
    ("grafana", "grafana", "alert:grafana: High error rate", "zone us-1"),
    ("datadog", "datadog", "alert:datadog: [Triggered]", "failed answers"),
    ("sentry", "sentry-metric", "alert:sentry: Too many errors", "Critical: Too many errors"),
    ("sentry", "sentry-issue", "alert:sentry: Very Important Alert Rule!", "ReferenceError"),
    ("pagerduty", "pagerduty", "alert:pagerduty: API Service", "A little bump"),
    ("opsgenie", "opsgenie", "alert:opsgenie: aliastest", "too many failed answers"),
  ])
  func `a payload of each known form steps back once, with no configuration`(
    source: String, file: String, actor: String, reason: String
  ) async throws {
    let server = try await server()
    let token = try await token(server)
    let payload = try fixture(file)
    let first = try await server.send("POST", "/v1/alerts/\(source)", payload, token: token)
    #expect(first.status == 200, "\(first.text)")
    #expect(results(first).contains("acted"), "\(first.text)")
    #expect(try await server.stage() == "internal")
    let event = try await server.send("GET", "/v1/plans/ai-summary/events").json["events"]?.array?
      .first
    #expect(event?["type"]?.string == "rolled_back")
    #expect(event?["actor"]?.string?.hasPrefix(actor) == true, "\(event?.jsonText ?? "")")
    #expect(event?["reason"]?.string?.contains(reason) == true, "\(event?.jsonText ?? "")")
    let again = try await server.send("POST", "/v1/alerts/\(source)", payload, token: token)
    #expect(results(again).contains("repeat"), "\(again.text)")
    #expect(try await server.send("POST", "/v1/alerts/\(source)", payload, token: "").status == 401)
    await server.stop()
  }

  @Test(arguments: [
    ("grafana", "grafana", #""status": "firing""#, #""status": "resolved""#, "resolved"),
    ("datadog", "datadog", #""Triggered""#, #""Recovered""#, "resolved"),
    ("datadog", "datadog", #""Triggered""#, #""Warn""#, "not firing"),
    ("sentry", "sentry-metric", #""critical""#, #""resolved""#, "resolved"),
    ("sentry", "sentry-metric", #""critical""#, #""warning""#, "not firing"),
    ("pagerduty", "pagerduty", "incident.triggered", "incident.resolved", "resolved"),
    ("pagerduty", "pagerduty", "incident.triggered", "incident.annotated", "not firing"),
    ("opsgenie", "opsgenie", #""Create""#, #""Close""#, "resolved"),
    ("opsgenie", "opsgenie", #""Create""#, #""Acknowledge""#, "not firing"),
  ])
  func `what is over, or is no news of a fire, does nothing`(
    source: String, file: String, from: String, to: String, why: String
  ) async throws {
    let server = try await server()
    let payload = try fixture(file).replacing(from, with: to)
    let answer = try await server.send(
      "POST", "/v1/alerts/\(source)?feature=ai-summary", payload)
    #expect(answer.status == 200, "\(answer.text)")
    #expect(Set(results(answer)) == [why], "\(answer.text)")
    #expect(try await server.stage() == "beta")
    await server.stop()
  }

  @Test func `the address names feature and action where a payload cannot, and wins`()
    async throws
  {
    let server = try await server()
    let bare = try fixture("pagerduty").replacing(" [feature:ai-summary]", with: "")
    let unknown = try await server.send("POST", "/v1/alerts/pagerduty", bare)
    #expect(results(unknown) == ["unknown feature"])
    let named = try await server.send(
      "POST", "/v1/alerts/pagerduty?feature=ai-summary&action=pause", bare)
    #expect(results(named) == ["acted"], "\(named.text)")
    #expect(
      try await server.send("GET", "/v1/plans/ai-summary").json["status"]?.string == "paused")
    for bad in ["?action=start", "?other=1", "?feature=a&feature=b"] {
      #expect(try await server.send("POST", "/v1/alerts/pagerduty\(bad)", bare).status == 400)
    }
    // What a token may not touch it touches under no name.
    let other = try await token(server, #","features":["other"]"#)
    let limited = try await server.send(
      "POST", "/v1/alerts/pagerduty?feature=ai-summary&action=kill", bare, token: other)
    #expect(results(limited) == ["unknown feature"])
    await server.stop()
  }

  @Test func `a sender that can send no token signs, and reaches its features only`() async throws {
    let server = try await server(
      """
      alerts:
        sources:
          sentry: {secret_env: SENTRY, features: [ai-summary]}
          pagerduty: {secret_env: SENTRY, features: [other]}
      """, variables: ["SENTRY": Self.secret])
    let payload = try fixture("sentry-metric")
    func signed(_ body: String, _ secret: String = Self.secret) -> String {
      Digest.hexadecimal(Digest.hmacSHA256(key: Array(secret.utf8), Array(body.utf8)))
    }
    func send(
      _ source: String, _ body: String, _ headers: [(String, String)], token: String = ""
    ) async throws -> TestServer.Answer {
      try await server.send(
        "POST", "/v1/alerts/\(source)", body, token: token,
        headers: headers.map { (name: $0.0, value: $0.1) })
    }
    let name = "Sentry-Hook-Signature"
    for wrong in ["", "x", signed(payload, "another-secret-of-16"), signed(payload + " ")] {
      #expect(try await send("sentry", payload, [(name, wrong)]).status == 401, "\(wrong)")
    }
    #expect(try await send("sentry", payload, []).status == 401, "neither token nor signature")
    let token = try await token(server)
    #expect(
      try await send("sentry", payload, [], token: token).status == 401,
      "a token does not stand for the signature that is asked for")
    #expect(try await server.stage() == "beta")
    let good = try await send("sentry", payload, [(name, signed(payload))])
    #expect(results(good) == ["acted"], "\(good.text)")
    // Several signatures with their version, as while a secret is changed.
    let duty = try fixture("pagerduty")
    let both = "v1=\(signed(duty, "another-secret-of-16")),v1=\(signed(duty))"
    let other = try await send("pagerduty", duty, [("X-PagerDuty-Signature", both)])
    #expect(results(other) == ["unknown feature"], "\(other.text)")
    // Nothing else is open to who signs.
    #expect(try await send("", payload, [(name, signed(payload))]).status == 401)
    #expect(try await send("nobody", payload, [(name, signed(payload))]).status == 401)
    #expect(try await send("grafana", payload, [(name, signed(payload))]).status == 401)
    await server.stop()
  }

  @Test func `a source of one's own says where things stand`() async throws {
    let server = try await server(
      """
      alerts:
        sources:
          own:
            each: $.batch.items
            id: [$.rule.id, $.opened]
            name: $.rule.title
            feature: [$.labels#feature, $.rule.title#feature]
            action: $.labels#do
            status: $.state
            firing: [OPEN]
            resolved: closed
            reason: $.texts[1]
            at: $.opened
          grafana: {feature: $.labels.flag}
      """)
    let payload = """
      {"batch":{"items":[
        {"rule":{"id":7,"title":"slow"},"labels":[{"key":"feature","value":"ai-summary"},
         {"key":"do","value":"PAUSE"}],"state":"open","texts":["no","p95 is 9 s"],
         "opened":1795429800},
        {"rule":{"id":8,"title":"slow"},"labels":["feature=ai-summary"],"state":"closed"},
        {"rule":{"id":9,"title":"x feature:ai-summary, y"},"labels":null,"state":"seen"},
        {"rule":{"id":10},"labels":{"feature":"ai-summary","do":"explode"},"state":"open"},
        7, null
      ]}}
      """
    let answer = try await server.send("POST", "/v1/alerts/own", payload)
    #expect(answer.status == 200, "\(answer.text)")
    #expect(
      Set(results(answer)) == [
        "acted", "resolved", "not firing", "unknown action", "unknown feature",
      ], "\(answer.text)")
    let list = try await server.send("GET", "/v1/alerts").json["alerts"]?.array ?? []
    let acted = try #require(list.first { $0["acted"]?.bool == true })
    #expect(acted["action"]?.string == "pause")
    #expect(acted["reason"]?.string == "p95 is 9 s")
    #expect(acted["starts_at"]?.string == "2026-11-23T10:30:00.000Z")
    let flag = try fixture("grafana").replacing(#""feature""#, with: #""flag""#)
    let taken = try await server.send("POST", "/v1/alerts/grafana", flag)
    #expect(results(taken).contains("acted"), "\(taken.text)")
    await server.stop()
  }

  @Test func `what no sender would send is answered in words`() async throws {
    let server = try await server()
    let deep =
      String(repeating: #"{"data":"#, count: 5000) + "1" + String(repeating: "}", count: 5000)
    for (source, body, status) in [
      ("grafana", "", 400), ("grafana", "[]", 400), ("grafana", #"{"alerts":{}}"#, 400),
      ("grafana", "not json", 400), ("sentry", deep, 400), ("nobody", "{}", 404),
      ("datadog", #"{"tags":7,"title":[],"transition":{},"date":-1}"#, 200),
      ("opsgenie", #"{"alert":[{"details":"feature"}],"action":null}"#, 200),
      ("pagerduty", #"{"event":{"event_type":"pagey.ping","data":{"message":"Hello"}}}"#, 200),
    ] {
      let answer = try await server.send("POST", "/v1/alerts/\(source)", body)
      #expect(answer.status == status, "\(source): \(answer.text)")
      #expect(!results(answer).contains("acted"))
    }
    let many = Array(repeating: "{}", count: 1001).joined(separator: ",")
    let full = try await server.send("POST", "/v1/alerts/grafana", #"{"alerts":[\#(many)]}"#)
    #expect(full.status == 503)
    #expect(full.header("retry-after") != nil)
    // A name that is nobody's, as long as its sender likes, is cut and folded.
    let long = String(repeating: "x", count: 200_000)
    let cut = try await server.send(
      "POST", "/v1/alerts/datadog", #"{"id":"\#(long)","feature":"\#(long)","title":"\#(long)"}"#)
    #expect(cut.status == 200)
    #expect(cut.body.count < 2000)
    #expect(try await server.stage() == "beta")
    await server.stop()
  }

  @Test(arguments: [
    "sources: {own: {id: alert.id}}", "sources: {own: {id: []}}", "sources: {own: {id: $.}}",
    "sources: {own: {id: '$.a['}}", "sources: {own: {id: '$.a[x]'}}", "sources: {own: {id: $.a#}}",
    "sources: {own: {status: $.a}}", "sources: {alertmanager: {}}", "sources: {'a b': {}}",
    "sources: {own: {other: 1}}", "sources: {own: {secret_env: SHORT}}", "sources: [own]",
    "sources: {own: {features: []}}", "sources: {own: {signature: md5}}", "other: 1",
  ])
  func `a source that makes no sense is refused with its place`(text: String) throws {
    let error = #expect(throws: DocumentError.self) {
      try ServerConfiguration(YAMLReader.read(Array("alerts: {\(text)}".utf8))) { name in
        name == "SHORT" ? "short" : nil
      }
    }
    #expect("\(error!)".contains("alerts"), "\(error!)")
  }

  @Test func `the recipes of the page work as they stand there`() async throws {
    let page = String(decoding: try readFile("\(Self.root)/docs/ALERTS.md"), as: UTF8.self)
    let blocks = page.split(separator: "```").enumerated().filter { $0.offset % 2 == 1 }.map {
      let text = $0.element
      let kind = text.prefix { $0 != "\n" }
      return (kind: String(kind), text: String(text.dropFirst(kind.count + 1)))
    }
    let variables = ["SENTRY_SECRET", "PAGERDUTY_SECRET", "PAGERDUTY_KEY", "GRAFANA_SECRET"]
    let yaml = blocks.filter { $0.kind == "yaml" }
    #expect(yaml.count >= 4)
    for block in yaml {
      #expect(throws: Never.self, "\(block.text)") {
        try ServerConfiguration(YAMLReader.read(Array(block.text.utf8))) { name in
          variables.contains(name) ? Self.secret : nil
        }
      }
    }
    // Datadog's payload, with what its documentation gives as examples.
    let template = try #require(blocks.first { $0.kind == "json" && $0.text.contains("$ALERT") })
    let examples: KeyValuePairs = [
      "$ALERT_CYCLE_KEY": "9bd4ac313a4d1e8fae2482df7b77628", "$EVENT_TITLE": "[Triggered] t",
      "$ALERT_TRANSITION": "Triggered", "$TAGS": "monitor, feature:ai-summary",
      "$DATE": "1795429800000",
    ]
    let payload = examples.reduce(template.text) { $0.replacing($1.key, with: $1.value) }
    let server = try await server()
    let answer = try await server.send("POST", "/v1/alerts/datadog", payload)
    #expect(results(answer) == ["acted"], "\(answer.text)")
    for source in AlertMapping.shipped.keys { #expect(page.contains("/v1/alerts/\(source)")) }
    await server.stop()
  }
}

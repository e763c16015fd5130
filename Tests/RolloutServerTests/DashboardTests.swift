import DocumentKit
import Foundation
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct DashboardTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Sources/RolloutServer/Dashboard")

  @Test func `every file of the dashboard is served as it is, with its policy, and needs no token`()
    async throws
  {
    let server = try await TestServer()
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(files.count > 10)
    for file in files {
      let path = file == "index.html" ? "/" : "/assets/\(file)"
      let answer = try await server.send("GET", path, token: "")
      #expect(answer.status == 200, "\(file) is not in DashboardEndpoint.assets")
      let text = try Data(contentsOf: Self.folder.appending(path: file))
      #expect(answer.body == Array(text), "\(file)")
      let policy = try #require(answer.header("content-security-policy"))
      #expect(policy.hasPrefix("default-src 'none'; style-src 'self'; script-src 'self'"))
      #expect(!policy.contains("unsafe"))
      #expect(answer.header("x-content-type-options") == "nosniff")
      let tag = try #require(answer.header("etag"))
      let again = try await server.send(
        "GET", path, token: "", headers: [("If-None-Match", tag)])
      #expect(again.status == 304)
    }
    for path in ["/assets/none.js", "/assets/..%2findex.html", "/assets/%00"] {
      #expect(try await server.send("GET", path, token: "").status == 404)
    }
    let page = try await server.send("GET", "/", token: "").body
    for path in ["/plans/x", "/plans/%F0%9F%8D%8E", "/activity", "/tokens"] {
      #expect(try await server.send("GET", path, token: "").body == page)
    }
    await server.stop()
  }

  @Test func `the page loads every script there is, and nothing from elsewhere`() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    let page = try String(contentsOf: Self.folder.appending(path: "index.html"), encoding: .utf8)
    for file in files where file.hasSuffix(".js") {
      #expect(page.contains("\"/assets/\(file)\""), "\(file) is fetched late")
      let text = try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8)
      for word in ["localStorage", "sessionStorage", "innerHTML", "eval(", "https://", "style="] {
        #expect(!text.contains(word), "\(file) has \(word)")
      }
      #expect(text.components(separatedBy: "\n").count <= 500, "\(file)")
    }
  }

  @Test func `the overview ranks what needs somebody first, counts, filters and pages`()
    async throws
  {
    let server = try await TestServer()
    for feature in ["alpha", "beta", "gamma"] { try await server.startPlan(feature) }
    let delta = #"{"feature":"delta","description":"Später"}"#
    _ = try await server.send("PUT", "/v1/plans/delta", delta)
    try await server.command("kill", "beta", #"{"reason":"wrong model"}"#)
    try await server.command("archive", "beta", #"{"confirm":"beta"}"#)
    _ = try await server.send(
      "POST", "/v1/alerts", #"{"id":"1","feature":"gamma","action":"rollback","reason":"burns"}"#)
    func rows(_ query: String) async throws -> [String] {
      let answer = try await server.send("GET", "/v1/overview\(query)")
      #expect(answer.status == 200, "\(answer.text)")
      return answer.json["plans"]?.array?.compactMap { $0["feature"]?.string } ?? []
    }
    let all = try await server.send("GET", "/v1/overview")
    #expect(try await rows("") == ["gamma", "alpha", "delta"])
    let first = try #require(all.json["plans"]?.array?.first)
    #expect(first["attention"]?.string == "needs_you")
    #expect(first["hold"]?["cause"]?.string == "alert")
    #expect(first["last"]?["type"]?.string == "rolled_back")
    #expect(first["last_day"]?["rates"]?.array?.count == 72)
    #expect(all.json["counts"]?["needs_you"]?.int == 1)
    #expect(all.json["counts"]?["rests"]?.int == 1)
    #expect(all.json["counts"]?["archived"]?.int == 1)
    #expect(try await rows("?which=archived") == ["beta"])
    #expect(try await rows("?which=needs").first == "gamma")
    #expect(try await rows("?filter=SP%C3%84T") == ["delta"])
    #expect(try await rows("?limit=1&after=1") == ["alpha"])
    #expect(try await server.send("GET", "/v1/overview?limit=1").json["next"]?.string == "1")
    for bad in ["?which=x", "?limit=0", "?after=-1", "?sort=name"] {
      #expect(try await server.send("GET", "/v1/overview\(bad)").status == 400, "\(bad)")
    }
    await server.stop()
  }

  @Test func `the overview says what the last ten minutes and the last day were like`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan("a", #","stages":[{"name":"all","percent":100}]"#)
    func report(_ ok: Int, _ failed: Int) async throws {
      let good = #"{"feature":"a","user":"u","ok":true,"latency_ms":800,"cost_usd":0.01}"#
      let bad = #"{"feature":"a","user":"v","ok":false,"kind":"timeout"}"#
      let all = Array(repeating: good, count: ok) + Array(repeating: bad, count: failed)
      let answer = try await server.send(
        "POST", "/v1/outcomes", #"{"outcomes":[\#(all.joined(separator: ","))]}"#)
      #expect(answer.json["accepted"]?.int == ok + failed, "\(answer.text)")
    }
    try await report(9, 1)
    func row() async throws -> Document? {
      try await server.send("GET", "/v1/overview").json["plans"]?.array?.first
    }
    #expect(try await server.eventually { try await row()?["now"]?["requests"]?.int == 10 })
    let now = try #require(try await row()?["now"])
    #expect(now["failed"]?.int == 1)
    #expect(now["cost_usd_per_hour"]?.double == 0.54)
    #expect(now["users"]?.int == 2)
    server.clock.advance(.hours(2))
    try await report(4, 0)
    #expect(try await server.eventually { try await row()?["now"]?["requests"]?.int == 4 })
    let rates = try #require(try await row()?["last_day"]?["rates"]?.array)
    #expect(rates.last?.double == 0)
    #expect(rates.compactMap(\.double).first == 0.1)
    #expect(rates.filter { !$0.isNull }.count == 2, "what nobody asked for is no zero")
    await server.stop()
  }

  @Test func `activity of all plans is filtered, paged, and shows a limited token its own`()
    async throws
  {
    let server = try await TestServer()
    for feature in ["a", "b"] { try await server.startPlan(feature) }
    try await server.command("pause", "b", #"{"reason":"lunch"}"#)
    func ids(_ query: String, token: String? = nil) async throws -> [String] {
      let answer = try await server.send("GET", "/v1/activity\(query)", token: token)
      return answer.json["activity"]?.array?.map {
        "\($0["feature"]?.string ?? "") \($0["type"]?.string ?? "")"
      } ?? []
    }
    let all = ["b paused", "b started", "b applied", "a started", "a applied"]
    #expect(try await ids("") == all)
    #expect(try await ids("?feature=a") == ["a started", "a applied"])
    #expect(try await ids("?type=started") == ["b started", "a started"])
    #expect(try await ids("?actor=token:admin&limit=1") == ["b paused"])
    #expect(try await ids("?actor=monitor").isEmpty)
    var walked: [String] = []
    var query = "?limit=2"
    for _ in 0..<3 {
      let page = try await server.send("GET", "/v1/activity\(query)")
      walked += try await ids(query)
      query = "?limit=2&after=\(page.json["next"]?.string ?? "")"
    }
    #expect(walked == all)
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"t","scopes":["view"],"features":["a"]}"#)
    let limited = try #require(made.json["token"]?.string)
    #expect(try await ids("", token: limited) == ["a started", "a applied"])
    #expect(try await ids("?feature=b", token: limited).isEmpty)
    for bad in ["?after=x", "?limit=0", "?kind=x"] {
      #expect(try await server.send("GET", "/v1/activity\(bad)").status == 400, "\(bad)")
    }
    await server.stop()
  }

  @Test func `what a plan's file said at a version can be read`() async throws {
    let server = try await TestServer()
    try await server.startPlan("a", #","description":"first""#)
    let applied = try await server.send(
      "PUT", "/v1/plans/a", #"{"feature":"a","description":"second"}"#,
      headers: [("If-Match", "\"2\"")])
    #expect(applied.status == 200, "\(applied.text)")
    func text(_ version: String) async throws -> String? {
      try await server.send("GET", "/v1/plans/a/versions/\(version)")
        .json["definition"]?["description"]?.string
    }
    #expect(try await text("1") == "first")
    #expect(try await text("3") == "second")
    for bad in ["0", "4", "x", "99999999999999999999"] {
      #expect(try await server.send("GET", "/v1/plans/a/versions/\(bad)").status == 404)
    }
    #expect(try await server.send("GET", "/v1/plans/b/versions/1").status == 404)
    await server.stop()
  }

  @Test func `jobs are listed to who made them, and to an administrator`() async throws {
    let server = try await TestServer()
    try await server.startPlan("a")
    let made = try await server.send("POST", "/v1/tokens", #"{"name":"t","scopes":["evaluate"]}"#)
    let app = try #require(made.json["token"]?.string)
    let body = #"{"user":"u","messages":[{"role":"user","content":"hello"}]}"#
    for token in [app, server.adminToken] {
      let job = try await server.send("POST", "/v1/features/a/jobs", body, token: token)
      #expect(job.status == 202, "\(job.text)")
      server.clock.advance(.seconds(1))
    }
    func count(_ query: String, _ token: String) async throws -> Int? {
      try await server.send("GET", "/v1/jobs\(query)", token: token).json["jobs"]?.array?.count
    }
    #expect(try await count("", server.adminToken) == 2)
    #expect(try await count("", app) == 1)
    #expect(try await count("?feature=b", server.adminToken) == 0)
    #expect(try await count("?status=expired", server.adminToken) == 0)
    let page = try await server.send("GET", "/v1/jobs?limit=1")
    #expect(page.json["next"]?.string == "1")
    #expect(!page.text.contains("hello"), "what was asked is nobody's to read")
    #expect(try await count("?after=1", server.adminToken) == 1)
    #expect(try await server.send("GET", "/v1/jobs?status=x").status == 400)
    await server.stop()
  }
}

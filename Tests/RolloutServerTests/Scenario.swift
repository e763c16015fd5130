import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// A stretch of somebody's day: traffic and incidents in, and what is right.
struct Scenario: Sendable {
  /// One request as its app reports it.
  struct Request: Sendable {
    var user: String?
    var ok = true
    var kind: String?
    var latency: Int? = 120
    var isControl = false
    /// Seconds before now at which it ended.
    var age = 0
    var id: String?
    var cost: Double?
    var vote: String?
    /// Whether its app says when it ended.
    var isDated = true
  }

  /// Something that happens beside the traffic.
  enum Turn: Sendable {
    case restart, acknowledge, resume
    /// Acknowledged during the cooldown.
    case see
    case restore
    case rollback
    /// People ask who has the feature; nobody reports.
    case decisions(Int)
  }

  let name: String
  /// Members of the plan beside `feature`.
  var plan =
    #""stages":[{"name":"few","percent":10},{"name":"half","percent":50},{"name":"all","percent":100}]"#
  /// How often a person advances before it begins.
  var advances = 1
  var seconds = 600
  /// Simulated seconds of one step.
  var step = 1
  /// When it goes bad; nil for never.
  var incident: Int?
  /// What the monitor does, in order; a rollback names where it went.
  var right: [String]
  /// The longest it may take from the incident to the first of them, in seconds.
  var within = Int.max
  var turns: [Int: Turn] = [:]
  /// Whether stepping back (or a pause) ends the trouble, as when it was for too many.
  var endsWithStep = false
  /// The requests of the step that begins at this second.
  var traffic: @Sendable (Int, inout SeededRandom) -> [Request]

  struct Result: Sendable {
    var done: [String]
    var delay: Int?
    var hurt: Int
    var verdict: String

    func isRight(_ scenario: Scenario) -> Bool {
      done == scenario.right && (delay ?? 0) <= scenario.within
    }
  }

  /// Plays it against a whole server.
  func play() async throws -> Result {
    var server = try await TestServer(looks: false)
    try await server.startPlan("ai-summary", "," + plan)
    for _ in 0..<advances {
      try await server.command("advance", "ai-summary", #"{"reason":"go","force":true}"#)
    }
    let first = try #require(
      try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int)
    var random = SeededRandom(seed: UInt64(name.utf8.count) &* 7919 &+ UInt64(seconds))
    var hurt: Set<String> = []
    var actedAt: Int?
    var second = 0
    while second < seconds {
      if let turn = turns[second] { server = try await take(turn, server) }
      var requests = traffic(second, &random)
      if endsWithStep, actedAt != nil {
        requests = requests.map { Request(user: $0.user, isControl: $0.isControl) }
      }
      server.clock.advance(.seconds(Int64(step)))
      try await report(requests, server)
      await server.application.surface.monitor.look()
      if actedAt == nil {
        for request in requests where !request.ok && !request.isControl {
          if let incident, second >= incident, let user = request.user { hurt.insert(user) }
        }
        let version = try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int
        if let version, version > first, turns.isEmpty || (incident ?? 0) <= second {
          actedAt = second + step
        }
      }
      second += step
    }
    let events = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1000").json[
      "events"]
    let done = (events?.array ?? []).reversed().filter {
      $0["version"]?.int ?? 0 > first && $0["actor"]?.string == "monitor"
    }.map { event in
      let type = event["type"]?.string ?? "?"
      switch type {
      case "rolled_back", "advanced": return "\(type) \(event["to"]?["stage"]?.string ?? "?")"
      case "held": return "held \(event["to"]?["hold"]?.string ?? heldBy(event))"
      default: return type
      }
    }
    let health = try await server.send("GET", "/v1/plans/ai-summary/health").json
    await server.stop()
    let delay = incident.flatMap { start in actedAt.map { max(0, $0 - start) } }
    return Result(
      done: done, delay: done.isEmpty ? nil : delay, hurt: hurt.count,
      verdict: health["verdict"]?.string ?? "?")
  }

  private func heldBy(_ event: Document) -> String {
    let reason = event["reason"]?.string ?? ""
    if reason.hasPrefix("shared outage") { return "outage" }
    return reason.hasPrefix("no traffic") ? "no_traffic" : "investigate"
  }

  private func take(_ turn: Turn, _ server: TestServer) async throws -> TestServer {
    switch turn {
    case .restart:
      await server.stop()
      return try await TestServer(folder: server.folder, clock: server.clock, looks: false)
    case .acknowledge:
      try await server.command("acknowledge", "ai-summary", #"{"reason":"seen","force":true}"#)
    case .see: try await server.command("acknowledge", "ai-summary", #"{"reason":"looking"}"#)
    case .restore:
      try await server.command("restore", "ai-summary", #"{"reason":"the prompt is mended"}"#)
    case .resume: try await server.command("resume", "ai-summary", #"{"reason":"mended"}"#)
    case .rollback: try await server.command("rollback", "ai-summary", #"{"reason":"by hand"}"#)
    case .decisions(let count):
      for number in 0..<count {
        _ = try await server.send("GET", "/v1/features/ai-summary/decision?user=asks\(number)")
      }
    }
    return server
  }

  private func report(_ requests: [Request], _ server: TestServer) async throws {
    guard !requests.isEmpty else { return }
    let now = server.clock.now.milliseconds
    let pace = Int64(step) * 1000 / Int64(requests.count)
    let outcomes = requests.enumerated().map { index, request in
      let at = now - Int64(step) * 1000 + pace * Int64(index + 1) - Int64(request.age) * 1000
      var members: [Document.Member] = [
        .init(key: "feature", value: .string("ai-summary")),
        .init(key: "ok", value: .bool(request.ok)),
        .init(key: "arm", value: .string(request.isControl ? "control" : "treatment")),
      ]
      if request.isDated { members.append(.init(key: "at", value: .int(Int(at)))) }
      if let user = request.user { members.append(.init(key: "user", value: .string(user))) }
      if let kind = request.kind { members.append(.init(key: "kind", value: .string(kind))) }
      if let latency = request.latency {
        members.append(.init(key: "latency_ms", value: .int(latency)))
      }
      if let id = request.id { members.append(.init(key: "id", value: .string(id))) }
      if let cost = request.cost { members.append(.init(key: "cost_usd", value: .double(cost))) }
      return Document(.object(members))
    }
    let answer = try await server.send(
      "POST", "/v1/outcomes", Document.object(["outcomes": .array(outcomes)]).jsonText)
    try #require(
      answer.status == 202 && answer.json["rejected"]?.array?.isEmpty == true, "\(answer.text)")
    for request in requests {
      guard let vote = request.vote, let user = request.user else { continue }
      _ = try await server.send(
        "POST", "/v1/feedback",
        #"{"feature":"ai-summary","user":"\#(user)","kind":"\#(vote)","arm":"treatment"}"#)
    }
  }
}

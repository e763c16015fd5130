import DocumentKit
import HTTPKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutGateway

/// Asks a Prometheus server for the values of `prometheus` guards, on a schedule.
struct PrometheusPoller: Sendable {
  /// Seconds for one query.
  private static let timeout = 10.0

  let current: Current<ServerConfiguration>
  let client: HTTPClient
  let ledger: OutcomeLedger
  let clock: any ServerClock

  private var settings: PrometheusSettings? { current.value.prometheus }

  private static let interval = TimeSpan.seconds(15)

  /// Runs until the task is cancelled.
  func run() async {
    await BackgroundLoop.takeTurns(
      pause: { settings?.interval ?? Self.interval }, by: clock, { _ in await poll() })
  }

  /// Queries under way at once.
  private static let parallel = 8

  /// Asks every query once. Side by side: a slow one must not make the others old.
  func poll() async {
    let queries = ledger.queries()
    await withTaskGroup(of: Void.self) { group in
      for (index, query) in queries.enumerated() {
        if index >= Self.parallel { await group.next() }
        group.addTask { ledger.record(await ask(query), for: query, at: clock.steady) }
      }
    }
  }

  private func ask(_ query: OutcomeLedger.Query) async -> PollWatch.Sample {
    guard let settings else {
      return .unavailable("the server's configuration names no prometheus")
    }
    let text = query.text.replacing("{{feature}}", with: query.feature)
      .replacing("{{stage}}", with: query.stage)
    var call = HTTPCall(
      "POST", "\(settings.url)/api/v1/query",
      headers: [("content-type", "application/x-www-form-urlencoded")],
      body: Array("query=\(APIPath.segment(text))&timeout=\(Int(Self.timeout))s".utf8))
    if let token = settings.bearerToken {
      call.headers.append(("authorization", "Bearer \(token)"))
    }
    call.timeouts.total = Self.timeout
    call.timeouts.firstByte = Self.timeout
    call.answerSizeMax = 1 << 20
    do {
      let (head, body) = try await client.execute(call)
      return Self.sample(status: head.status, body)
    } catch { return .unavailable("Prometheus did not answer: \(error)") }
  }

  /// Reads an answer of `/api/v1/query`: a scalar, or a vector of exactly one element.
  static func sample(status: Int, _ body: [UInt8]) -> PollWatch.Sample {
    guard let answer = try? JSONReader.read(body) else {
      return .unavailable("Prometheus answered \(status) without JSON")
    }
    guard answer["status"]?.string == "success", let data = answer["data"] else {
      let why = answer["error"]?.string ?? "status \(status)"
      return .unavailable("Prometheus says: \(why.clipped(toBytes: 200))")
    }
    let pair: [Document]?
    switch data["resultType"]?.string {
    case "scalar": pair = data["result"]?.array
    case "vector":
      let elements = data["result"]?.array ?? []
      guard elements.count == 1 else {
        return .unavailable(
          elements.isEmpty
            ? "the query has no result"
            : "the query has \(elements.count) results; aggregate them to one")
      }
      pair = elements[0]["value"]?.array
    default: return .unavailable("the query gives no scalar or instant vector")
    }
    guard let text = pair?.last?.string, let value = Double(json: text) else {
      return .unavailable("the query's value is no number")
    }
    return .value(value)
  }
}

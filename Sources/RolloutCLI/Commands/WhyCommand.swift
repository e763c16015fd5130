import DocumentKit
import RolloutAPI
import RolloutCore

/// `rollout why FEATURE`
enum WhyCommand {
  static let command = Subcommand(
    "why", ["FEATURE"], "what failed, when and where, at its last step back or hold",
    options: [
      .init("--at", "TIME", "the one before this time (RFC 3339) instead of the last one"),
      .init("--verbose", nil, "with the numbers behind the decision"),
    ],
    examples: [
      "rollout why ai-summary", "rollout why ai-summary --at 2026-11-24T12:00:00Z --verbose",
    ], run: run)

  /// Changes that something went wrong before.
  private static let kinds: Set<String> = ["rolled_back", "held", "paused", "killed"]
  /// What is looked at before an incident, and after it.
  private static let before = TimeSpan.minutes(15)
  private static let after = TimeSpan.minutes(2)
  private static let recentShown = 5

  /// What is known about one moment.
  struct Findings {
    var plan: PlanView
    /// nil when nothing went wrong on record.
    var incident: EventView?
    var failures: FailureList
    var series: SeriesView
  }

  private static func run(_ session: Session) async throws {
    let feature = session.operand(0)
    let plan = try await session.get(PlanView.self, APIPath.plan(feature))
    let until = try time(session)
    let events = try await session.get(
      EventList.self, APIPath.events(feature) + APIPath.query([("limit", "1000")]))
    let incident = incident(
      events.events.filter { event in
        until.map { (Instant(rfc3339: event.at) ?? $0) <= $0 } ?? true
      })
    let window = try window(incident, until)
    let failures = try await session.send("GET", APIPath.failures(feature) + window)
    let series = try await session.send("GET", APIPath.series(feature) + window)
    guard !session.printsJSON else {
      let document = Document.object([
        "feature": .string(plan.feature),
        "incident": try incident.map { try JSONReader.read(WireEncoder.json($0)) } ?? .null,
        "failures": try session.document(failures), "series": try session.document(series),
      ])
      return session.terminal.printJSON(document.json)
    }
    let findings = Findings(
      plan: plan, incident: incident, failures: try session.decode(FailureList.self, failures),
      series: try session.decode(SeriesView.self, series))
    session.terminal.print(
      text(findings, session.terminal, isVerbose: session.arguments.has("--verbose")))
  }

  /// What went wrong last. A pause by a person is no more than that, and hides nothing before it.
  private static func incident(_ events: [EventView]) -> EventView? {
    let changes = events.filter { kinds.contains($0.type) }
    return changes.first { $0.type != "paused" || !Words.isPerson($0.actor) } ?? changes.first
  }

  private static func time(_ session: Session) throws -> Instant? {
    guard let text = session.arguments.value("--at") else { return nil }
    guard let at = Instant(rfc3339: text) else {
      throw CLIFailure(
        .usage, "--at is a time such as 2026-11-23T03:10:00+01:00, not \(text).")
    }
    return at
  }

  /// The query for what happened around a time; nil where it is none.
  static func window(around text: String) -> String? {
    Instant(rfc3339: text).map { window($0) }
  }

  private static func window(_ at: Instant) -> String {
    let from = Instant(milliseconds: at.milliseconds.subtracting(before.milliseconds))
    return APIPath.query([("from", from.rfc3339), ("to", (at + after).rfc3339)])
  }

  private static func window(_ incident: EventView?, _ until: Instant?) throws -> String {
    guard let at = incident.flatMap({ Instant(rfc3339: $0.at) }) ?? until else { return "" }
    return window(at)
  }

  // MARK: Words

  static func text(_ found: Findings, _ terminal: Terminal, isVerbose: Bool) -> String {
    var lines: [String] = []
    let feature = terminal.style(found.plan.feature, .bold)
    if let incident = found.incident {
      let head =
        "\(found.plan.feature)  \(what(incident)), \(LocalTime.clock(incident.at)) "
        + "\(LocalTime.zone(incident.at)), \(LocalTime.ago(incident.at)), by "
        + Words.actor(incident.actor)
      var told = terminal.wrapped(head, indent: 2)
      if told[0].hasPrefix(found.plan.feature) {
        told[0] = feature + told[0].dropFirst(found.plan.feature.count)
      }
      lines += told
      lines += terminal.wrapped("  \(sentence(incident))", indent: 2)
      if isVerbose, let evidence = incident.evidence?.members {
        lines += evidence.filter { $0.key != "sentence" }.map {
          terminal.style(
            "  \(padded($0.key.replacing("_", with: " "), 18))\($0.value.jsonText)", .dim)
        }
      }
    } else {
      lines.append("\(feature)  has not stepped back, been held, paused or killed on record.")
    }
    lines.append("")
    lines += failed(found).flatMap { terminal.wrapped($0, indent: 10) }
    lines.append("")
    lines += arms(found.series).flatMap { terminal.wrapped($0, indent: 12) }
    let recent = found.failures.recent.prefix(recentShown)
    if !recent.isEmpty {
      lines += ["", "the last ones"] + recent.flatMap { terminal.wrapped(line($0), indent: 12) }
    }
    lines += ["", terminal.style("next: rollout plan show \(found.plan.feature)", .dim)]
    return lines.joined(separator: "\n")
  }

  private static func what(_ event: EventView) -> String {
    let move = HistoryCommand.move(event)
    return switch event.type {
    case "rolled_back": "stepped back \(move)"
    case "held": "held at \(event.to.stage)"
    case "paused": "paused at \(event.to.stage)"
    default: "killed (\(move))"
    }
  }

  /// The whole reason: of a hold it says whose fault it was, which the guard's sentence does not.
  private static func sentence(_ event: EventView) -> String {
    event.reason.isEmpty ? event.evidence?["sentence"]?.string ?? "" : event.reason
  }

  /// What failed, the most frequent first.
  private static func failed(_ found: Findings) -> [String] {
    let list = found.failures
    let span = "\(LocalTime.clock(list.from)) to \(LocalTime.clock(list.to))"
    guard !list.failures.isEmpty else { return ["no failure is on record from \(span)"] }
    struct Kind: Hashable {
      var arm: String
      var kind: String
      var place: String
    }
    var sums: [Kind: (count: Int, first: String, last: String)] = [:]
    for entry in list.failures {
      let place = [entry.provider.value, entry.model.value].compactMap(\.self)
        .joined(separator: " ")
      let kind = Kind(arm: entry.arm, kind: entry.kind, place: place)
      let old = sums[kind] ?? (0, entry.at, entry.at)
      sums[kind] = (old.count.adding(entry.count), old.first, entry.at)
    }
    let rows = sums.sorted { ($1.value.count, $0.key.kind) < ($0.value.count, $1.key.kind) }
    let kindWidth = rows.map { words($0.key.kind).count }.max() ?? 0
    let placeWidth = rows.map(\.key.place.count).max() ?? 0
    return ["what failed, \(span)"]
      + rows.map { kind, sum in
        let arm = kind.arm == "treatment" ? "" : " \(Self.arm(kind.arm))"
        let times =
          sum.first == sum.last
          ? LocalTime.clock(sum.first)
          : "\(LocalTime.clock(sum.first)) to \(LocalTime.clock(sum.last))"
        let columns = [
          aligned(sum.count, 6), padded(words(kind.kind), kindWidth),
          padded(kind.place, placeWidth), "\(times)\(arm)",
        ]
        return "  " + columns.filter { !$0.isEmpty }.joined(separator: "  ")
      }
  }

  /// How those with the feature fared, and those without.
  private static func arms(_ series: SeriesView) -> [String] {
    func total(_ arm: String) -> (requests: Int, failed: Int, p95: Double?) {
      var sum = (requests: 0, failed: 0, p95: Double?.none)
      for row in series.rows where series.cell(row, "arm").string == arm {
        sum.requests = sum.requests.adding(series.cell(row, "requests").int ?? 0)
        sum.failed = sum.failed.adding(series.cell(row, "failed").int ?? 0)
          .adding(series.cell(row, "degraded_fallback").int ?? 0)
        if let p95 = series.cell(row, "p95_ms").double { sum.p95 = max(sum.p95 ?? 0, p95) }
      }
      return sum
    }
    let names = [("with it", total("treatment")), ("without it", total("control"))]
    return names.map { name, arm in
      guard arm.requests > 0 else { return "\(padded(name, 12))no requests are on record" }
      let share = percent(Double(arm.failed) / Double(arm.requests))
      let slow = arm.p95.map { ", p95 up to about \(Words.roughly($0))" } ?? ""
      return "\(padded(name, 12))\(arm.failed) of \(arm.requests) failed (\(share))\(slow)"
    }
  }

  /// Whose it was, where that is not those with the feature.
  private static func arm(_ name: String) -> String {
    switch name {
    case "treatment": ""
    case "control": "(without the feature)"
    default: "(nobody knows in which arm)"
    }
  }

  private static func line(_ failure: FailureList.Recent) -> String {
    let place = [failure.provider.value, failure.model.value].compactMap(\.self)
      .joined(separator: " ")
    let took = failure.latencyMs.value.map { "after \(Words.duration(Double($0)))" }
    let status = failure.status.value.map { " \($0)" } ?? ""
    let columns = [
      LocalTime.clock(failure.at), failure.requestId.value ?? "no id",
      words(failure.kind) + status, place, took ?? "", Self.arm(failure.arm),
    ]
    return "  " + columns.filter { !$0.isEmpty }.joined(separator: "  ")
  }

  private static func words(_ kind: String) -> String { kind.replacing("_", with: " ") }

  private static func aligned(_ number: Int, _ width: Int) -> String {
    let text = "\(number)"
    return String(repeating: " ", count: max(0, width - text.count)) + text
  }
}

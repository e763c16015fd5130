package import DocumentKit
import RolloutEvaluation

extension Guard {
  /// Guards of one plan: every outcome is counted for each of them.
  package static let countMax = 50

  /// The member `guards` of a file; nil when it is absent.
  package static func list(_ file: inout ObjectReader) throws(DocumentError) -> [Guard]? {
    guard let items = try file.list("guards") else { return nil }
    guard file.isStored || items.count <= countMax else {
      throw file.error("guards", "At most \(countMax) guards.")
    }
    var guards: [Guard] = []
    for item in items { guards.append(try Guard(item, isStored: file.isStored)) }
    return guards
  }

  /// Reads one entry of a plan's `guards`; `path` is for errors.
  package init(
    _ item: (element: Document, path: String), isStored: Bool = false
  ) throws(DocumentError) {
    self = try decodeGuard(item, isStored: isStored)
  }
}

private func decodeGuard(
  _ item: (element: Document, path: String), isStored: Bool
) throws(DocumentError) -> Guard {
  var reader = try ObjectReader(item.element, path: item.path, isStored: isStored)
  let query = try reader.string("prometheus")
  let metric: Guard.Metric
  if query != nil {
    metric = .prometheus
    guard reader.optional("metric") == nil else {
      throw reader.error("metric", "A prometheus guard has a query instead of a metric.")
    }
  } else {
    guard let chosen: Guard.Metric = try reader.choice("metric"), chosen != .prometheus else {
      let names = Guard.Metric.allCases.dropLast().map(\.rawValue).joined(separator: ", ")
      throw DocumentError(
        "A guard needs a metric (\(names)) or prometheus: <query>.",
        at: item.element.position, path: item.path)
    }
    metric = chosen
  }
  var new = Guard(metric, max: try limit(&reader, metric))
  new.query = query ?? ""
  new.action = try reader.choice("action") ?? .rollback
  new.investigate = try share(&reader, "investigate")
  if new.investigate != nil, !isStored {
    guard case .share(let limit) = new.limit, let low = new.investigate,
      (Share(thousandths: 1)..<limit).contains(low)
    else {
      throw reader.error("investigate", "Must be a share above 0 and below max.")
    }
  }
  new.window = try reader.int("window", in: 10...10_000) ?? 500
  new.minRequests = try reader.int("min_requests", in: 1...10_000) ?? min(100, new.window)
  guard new.minRequests <= new.window else {
    throw reader.error("min_requests", "Must not be above window (\(new.window)).")
  }
  new.margin = try number(&reader, "margin", in: 0...10)
  new.sustain = try time(&reader, "sustain")
  new.minAffectedUsers = try reader.int("min_affected_users", in: 1...1000)
  new.firingScore = try number(&reader, "evidence", in: 100...1e12)
  if let counts = try reader.texts("counts") { new.counts = try decodeCounts(counts, reader) }
  new.dryRun = try reader.bool("dry_run") ?? false
  new.isRequired = try reader.bool("required") ?? false
  try reader.finish()
  return new
}

private func decodeCounts(
  _ names: [String], _ reader: ObjectReader
) throws(DocumentError) -> Set<Outcome.Result> {
  let allowed: [Outcome.Result] = [.failed, .degradedFallback, .degradedCache, .degradedModel]
  var counts: Set<Outcome.Result> = []
  for name in names {
    guard let result = allowed.first(where: { $0.rawValue == name }) else {
      let names = allowed.map(\.rawValue).joined(separator: ", ")
      throw reader.error("counts", "Expected any of \(names), found \(quoted(name)).")
    }
    counts.insert(result)
  }
  guard reader.isStored || !counts.isEmpty else {
    throw reader.error("counts", "Name at least one result.")
  }
  return counts
}

private func limit(
  _ reader: inout ObjectReader, _ metric: Guard.Metric
) throws(DocumentError) -> Guard.Limit {
  let text = try reader.requiredText("max")
  switch metric {
  case .errorRate, .degradedRate, .thumbsDownRate, .regenerateRate, .abandonRate:
    if !reader.isStored, let doubt = Share.doubt(about: text) { throw reader.error("max", doubt) }
    guard let share = Share(text), share > .none, share < .all else {
      throw reader.error("max", "Expected a share between 0 and 100 %, such as 5%.")
    }
    return .share(share)
  case .latencyMean, .latencyP50, .latencyP95, .latencyP99:
    guard let span = TimeSpan(text), span > .zero else {
      throw reader.error(
        "max", TimeSpan.refusal(of: text, "Expected a duration such as 5s or 800ms."))
    }
    return .time(span)
  case .costPerRequest:
    if let multiple = multiple(text, reader) { return .multiple(multiple) }
    guard let money = Money(text), money > .zero else {
      throw reader.error("max", "Expected an amount such as $0.02, or a multiple such as 2x.")
    }
    return .money(money)
  case .tokensPerRequest, .prometheus:
    if metric == .tokensPerRequest, let multiple = multiple(text, reader) {
      return .multiple(multiple)
    }
    if metric == .prometheus, text.hasSuffix("%"), let share = Share(text) {
      return .number(share.fraction)
    }
    guard reader.isStored || Numeral(text) != nil, let number = Double(text), number.isFinite,
      number > 0
    else {
      throw reader.error("max", "Expected a number above 0.")
    }
    guard reader.isStored || isKept(text, number) else {
      throw reader.error("max", notKept(text, number))
    }
    guard reader.isStored || metric == .prometheus || number <= tokensMax else {
      throw reader.error("max", "No request takes more than \(shortestText(of: tokensMax)) tokens.")
    }
    return .number(number)
  }
}

private let tokensMax = 1e9

/// `2x`, from 1.1x to 100x.
private func multiple(_ text: String, _ reader: ObjectReader) -> Double? {
  guard text.hasSuffix("x"), reader.isStored || Numeral(String(text.dropLast())) != nil,
    let value = Double(text.dropLast()), (1.1...100).contains(value),
    reader.isStored || isKept(String(text.dropLast()), value)
  else { return nil }
  return value
}

private func number(
  _ reader: inout ObjectReader, _ key: String, in range: ClosedRange<Double>
) throws(DocumentError) -> Double? {
  guard let number = try reader.double(key, in: range) else { return nil }
  let text = reader.optional(key)?.scalarText ?? ""
  guard reader.isStored || isKept(text, number) else {
    throw reader.error(key, notKept(text, number))
  }
  return number
}

/// Whether the number that is kept is the one that was written, and not one beside it.
private func isKept(_ text: String, _ number: Double) -> Bool {
  DecimalNumber(text) == DecimalNumber(shortestText(of: number))
}

private func notKept(_ text: String, _ number: Double) -> String {
  "\(text) has more digits than are kept, and would become \(shortestText(of: number)); write that."
}

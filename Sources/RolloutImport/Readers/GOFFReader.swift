import DocumentKit
import RolloutCore
import RolloutEvaluation

/// Reads GO Feature Flag's flag files.
///
/// Source: thomaspoignant/go-feature-flag modules/core/flag/{internal_flag,rule}.go.
enum GOFFReader {
  static func flags(
    _ document: Document, _ settings: ImportSettings
  ) throws(DocumentError) -> [ForeignFlag] {
    guard let members = document.members else {
      throw DocumentError(
        "This is no flag file of GO Feature Flag: an object of flags is expected.",
        at: document.position)
    }
    guard members.isEmpty || members.contains(where: { $0.value.members != nil }) else {
      throw DocumentError(
        "This is no flag file of GO Feature Flag: each key names a flag with its variations.",
        at: document.position)
    }
    try ForeignFlag.checkCount(members.count, document)
    return members.map { GOFFFlag($0, settings).flag }
  }
}

/// One flag of a file.
private struct GOFFFlag {
  private(set) var flag: ForeignFlag
  private let userNames: Set<String>
  private let time: Instant
  private var state = GOFFState()
  private var values: FlagValues?

  init(_ member: Document.Member, _ settings: ImportSettings) {
    flag = ForeignFlag(member.key, of: .goff, path: member.key, position: member.keyPosition)
    time = settings.time
    // Both name what an OpenFeature context calls its targeting key.
    userNames = settings.userAttribute.map { [$0] } ?? ["key", "targetingKey"]
    do throws(FlagValues.Refusal) { try read(member.value) } catch { flag.refusal = error.why }
  }

  private mutating func read(_ document: Document) throws(FlagValues.Refusal) {
    guard document["variations"]?.members?.isEmpty == false else {
      throw .init(
        why: document["true"] != nil
          ? "it is of the form before version 1; convert it first" : "it has no variations")
    }
    guard Literals.list(document["targeting"]) != nil else {
      throw .init(why: "its targeting is no list")
    }
    state.apply(document)
    flag.description = document["metadata"]?["description"]?.scalarText ?? ""
    schedule(document)
    noteRest(document)
    if state.isDisabled { flag.isEnabled = false }
    experimentation()
    if let name = document["bucketingKey"]?.scalarText, !name.isEmpty, !userNames.contains(name) {
      otherKey = name
    }
    let values = try FlagValues(
      try names().map(value), off: try usual().map(value),
      all: state.variations.map(\.value))
    self.values = values
    flag.values = values.values
    for (index, rule) in state.rules.enumerated() where !rule.isDisabled {
      read(rule, condition(rule, index), "\(flag.path).targeting[\(index)]")
    }
    if let rule = state.defaultRule { read(rule, .always, "\(flag.path).defaultRule") }
  }

  /// What is hashed, where it is not the user's id.
  private var otherKey: String?

  private func value(_ name: String) throws(FlagValues.Refusal) -> Document {
    guard let value = state.variations.first(where: { $0.key == name })?.value else {
      throw .init(why: "it names a variation \(quoted(name)) that it does not have")
    }
    return value
  }

  /// The variations that it may give.
  private func names() throws(FlagValues.Refusal) -> [String] {
    guard state.defaultRule != nil else { throw .init(why: "it has no defaultRule") }
    return (state.rules.filter { !$0.isDisabled } + [state.defaultRule].compactMap { $0 })
      .flatMap(\.names)
  }

  /// The variation of all others: the one of the default rule, or what looks like off in it.
  private func usual() throws(FlagValues.Refusal) -> String? {
    guard let rule = state.defaultRule else { return nil }
    if let ramp = rule.ramp { return ramp.initial.variation }
    guard !rule.percentages.isEmpty else { return rule.variation }
    let offNames: Set<String> = [
      "off", "false", "disabled", "disable", "control", "none", "default",
    ]
    return rule.percentages.first { offNames.contains($0.name.lowercased()) }?.name
      ?? rule.percentages.max { $0.percent < $1.percent }?.name
  }

  // MARK: Time

  private mutating func schedule(_ document: Document) {
    var due: [(at: Instant, step: Document)] = []
    for (index, step) in (document["scheduledRollout"]?.array ?? []).enumerated() {
      let path = "\(flag.path).scheduledRollout[\(index)]"
      guard let text = step["date"]?.scalarText, let at = Instant(rfc3339: text) else {
        flag.lose(.other, "a step without a date is left out", path, step)
        continue
      }
      if at.milliseconds <= time.milliseconds {
        due.append((at, step))
      } else {
        flag.lose(
          .other, "what is scheduled for \(at.rfc3339) is not kept; advance or apply it then", path,
          step)
      }
    }
    // Those of one time in the order of the file.
    let order = due.enumerated().sorted {
      ($0.element.at.milliseconds, $0.offset) < ($1.element.at.milliseconds, $1.offset)
    }
    for (_, entry) in order { state.apply(entry.step) }
  }

  private mutating func experimentation() {
    guard state.experiment != nil else { return }
    let path = "\(flag.path).experimentation"
    func instant(_ key: String) -> Instant? {
      state.experiment?[key]?.scalarText.flatMap { Instant(rfc3339: $0) }
    }
    let isOver =
      instant("start").map { time.milliseconds < $0.milliseconds } ?? false
      || instant("end").map { time.milliseconds > $0.milliseconds } ?? false
    if isOver { flag.isEnabled = false }
    flag.lose(
      .other,
      isOver
        ? "its experimentation is not running, so it is off there"
        : "the end of its experimentation is not kept", path, state.experiment)
  }

  private mutating func noteRest(_ document: Document) {
    let read: Set<String> = [
      "variations", "targeting", "defaultRule", "bucketingKey", "experimentation",
      "scheduledRollout", "disable", "metadata", "trackEvents", "version",
    ]
    for member in document.members ?? [] where !read.contains(member.key) {
      flag.lose(
        .other, "\(quoted(member.key)) is not kept", "\(flag.path).\(member.key)", member.value)
    }
    let more = document["metadata"]?.members?.contains { $0.key != "description" } ?? false
    if more {
      flag.lose(.other, "metadata is not kept", "\(flag.path).metadata", document["metadata"])
    }
  }

  // MARK: Rules

  private mutating func condition(_ rule: GOFFRule, _ index: Int) -> Condition {
    let path = "\(flag.path).targeting[\(index)].query"
    let query = trimmed(rule.query)
    guard query.hasPrefix("{") else {
      if query.isEmpty { return .always }
      return GOFFQuery(userNames: userNames).condition(query, path, rule.document, &flag)
    }
    guard let logic = try? JSONReader.read(Array(query.utf8)) else {
      return flag.unknown("its query is no JsonLogic", path, rule.document)
    }
    return JSONLogic(userNames: userNames, time: time).condition(logic, path, &flag)
  }

  private func isOn(_ name: String) -> Bool {
    state.variations.first { $0.key == name }.map { values?.isOn($0.value) ?? false } ?? false
  }

  private mutating func read(_ rule: GOFFRule, _ condition: Condition, _ path: String) {
    let outcome: FlagRule.Outcome
    if let ramp = rule.ramp {
      outcome = drawn(ramp, "\(path).progressiveRollout", rule.document)
    } else if !rule.percentages.isEmpty {
      outcome = drawn(rule, "\(path).percentage")
    } else if let name = rule.variation {
      outcome = isOn(name) ? .on : .off
    } else {
      flag.lose(.people, "a rule that gives nothing is an error there", path, rule.document)
      outcome = .unknown
    }
    flag.rules.append(FlagRule(condition, outcome))
  }

  private mutating func drawn(_ rule: GOFFRule, _ path: String) -> FlagRule.Outcome {
    // It goes through the names backwards, and cuts what is finer than a thousandth.
    let sorted = rule.percentages.sorted { a, b in
      Array(b.name.utf8).lexicographicallyPrecedes(Array(a.name.utf8))
    }
    var end = 0.0
    var pieces: [(size: Int, isOn: Bool)] = []
    for (name, percent) in sorted {
      let start = end
      end += percent * 1000
      guard percent >= 0, end <= 1e9 else { return impossible("its shares", path, rule) }
      pieces.append((Int(end) - Int(start), isOn(name)))
    }
    // What it hashes into comes from the sum of the shares, which may be rounded otherwise.
    let sum = rule.percentages.reduce(0) { $0 + $1.percent } * 1000
    let total = Int(sum)
    if let last = pieces.indices.last { pieces[last].size += total - Int(end) }
    guard pieces.allSatisfy({ $0.size >= 0 }) else { return impossible("its shares", path, rule) }
    let part = Draw.Part(pieces, of: total)
    if part == .none { return .off }
    if part == .all, total > 0 { return .on }
    guard total == Bucketer.bucketCount else {
      return impossible(
        "its shares add up to \(shortestText(of: sum / 1000)) % and not to 100 %, so it hashes into "
          + "another number of buckets; they", path, rule)
    }
    return drawn(part, path, rule.document)
  }

  private mutating func impossible(
    _ what: String, _ path: String, _ rule: GOFFRule
  ) -> FlagRule.Outcome {
    flag.lose(.people, "\(what) cannot be kept", path, rule.document)
    return .unknown
  }

  private mutating func drawn(
    _ ramp: GOFFRamp, _ path: String, _ document: Document
  ) -> FlagRule.Outcome {
    guard let now = ramp.bucketsAtEnd(at: time) else {
      flag.lose(.people, "its ramp lacks dates or variations", path, document)
      return .unknown
    }
    if !ramp.isOver(at: time) {
      flag.lose(
        .other,
        "it goes on by itself there, until \(ramp.end.date?.rfc3339 ?? ""); the plan keeps the "
          + "share of now", path, document)
    }
    let pieces = [
      (size: now, isOn: isOn(ramp.end.variation ?? "")),
      (size: Bucketer.bucketCount - now, isOn: isOn(ramp.initial.variation ?? "")),
    ]
    return drawn(Draw.Part(pieces, of: Bucketer.bucketCount), path, document)
  }

  private mutating func drawn(
    _ part: Draw.Part, _ path: String, _ document: Document
  ) -> FlagRule.Outcome {
    switch part {
    case .none: return .off
    case .all: return .on
    case .lower, .upper, .middle: break
    }
    if let otherKey {
      flag.lose(
        .people,
        "it hashes \(quoted(otherKey)) and not \(userNames.sorted()[0]); where your apps send that "
          + "as the user's id, say so with --user", "\(flag.path).bucketingKey", document)
      return .unknown
    }
    switch part {
    case .lower(let count):
      return .drawn(Draw(.goff, salt: flag.key, share: Share(thousandths: count)))
    case .upper(let count):
      return .drawn(Draw(.goffReversed, salt: flag.key, share: Share(thousandths: count)))
    case .none, .all, .middle:
      flag.lose(
        .people, "what is on lies between other shares, and not at an end of the range", path,
        document)
      return .unknown
    }
  }
}

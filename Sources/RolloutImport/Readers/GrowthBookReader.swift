import DocumentKit
import RolloutCore
import RolloutEvaluation

/// Reads the payload of GrowthBook's SDK endpoint.
///
/// Source: growthbook/growthbook packages/sdk-js/src/{core,util,mongrule}.ts.
enum GrowthBookReader {
  static func flags(
    _ document: Document, _ settings: ImportSettings
  ) throws(DocumentError) -> [ForeignFlag] {
    if document["encryptedFeatures"] != nil, document["features"]?.members?.isEmpty ?? true {
      throw DocumentError(
        "The payload is encrypted; take that of an SDK connection without encryption.",
        at: document.position)
    }
    guard let features = document["features"]?.members else {
      throw DocumentError(
        "This is no SDK payload of GrowthBook: an object \"features\" is missing.",
        at: document.position)
    }
    try ForeignFlag.checkCount(features.count, document)
    let groups = document["savedGroups"] ?? .null
    return features.map { GrowthBookFlag($0, groups, settings).flag }
  }
}

/// One feature of a payload.
private struct GrowthBookFlag {
  private(set) var flag: ForeignFlag
  private let conditions: GrowthBookConditions
  private let userName: String
  private var values: FlagValues?
  /// What it gives where no rule does.
  private let usual: Document

  /// What is about telling experiments apart, and about nobody's value.
  private static let tracking: Set<String> = [
    "id", "key", "name", "phase", "meta", "tracks", "bucketVersion", "minBucketVersion",
    "disableStickyBucketing", "fallbackAttribute",
  ]
  private static let known: Set<String> = [
    "force", "condition", "coverage", "hashAttribute", "hashVersion", "seed", "range", "variations",
    "weights", "ranges", "namespace", "filters", "parentConditions",
  ]

  init(_ member: Document.Member, _ groups: Document, _ settings: ImportSettings) {
    let path = "features.\(member.key)"
    flag = ForeignFlag(member.key, of: .growthbook, path: path, position: member.keyPosition)
    userName = settings.userAttribute ?? ForeignSystem.growthbook.userAttribute
    conditions = GrowthBookConditions(userName: userName, groups: groups)
    usual = member.value["defaultValue"] ?? .null
    guard let rules = Literals.list(member.value["rules"]) else {
      flag.refusal = "its rules are no list"
      return
    }
    var used = [usual]
    for rule in rules {
      used += rule["force"].map { [$0] } ?? rule["variations"]?.array ?? []
    }
    do throws(FlagValues.Refusal) {
      let found = try FlagValues(used, off: usual, all: used)
      values = found
      flag.values = found.values
    } catch {
      flag.refusal = error.why
      return
    }
    for (index, rule) in rules.enumerated() {
      read(rule, "\(path).rules[\(index)]", hasMore: index + 1 < rules.count)
    }
    if isOn(usual) { flag.rules.append(FlagRule(.always, .on)) }
    let draws = rules.filter { $0["coverage"] != nil || $0["variations"] != nil }
    if draws.contains(where: { $0["hashVersion"]?.int ?? 1 == 1 }) { flag.bucketing = .growthbook1 }
  }

  private func isOn(_ value: Document) -> Bool { values?.isOn(value) ?? false }

  private mutating func read(_ rule: Document, _ path: String, hasMore: Bool) {
    var parts: [Condition] = []
    if let condition = rule["condition"], !condition.isNull {
      parts.append(conditions.condition(condition, "\(path).condition", &flag))
    }
    let parents = Literals.list(rule["parentConditions"])
    if parents?.isEmpty != true {
      parts.append(
        flag.unknown("it depends on another feature, and a plan on none", path, rule))
      // What a gate keeps out no later rule lets in.
      if parents?.contains(where: { $0["gate"]?.bool == true }) ?? true {
        flag.rules.append(FlagRule(.unknown, .off))
        return
      }
    }
    if Literals.list(rule["filters"])?.isEmpty != true {
      parts.append(flag.unknown("filters by namespace have no counterpart", path, rule))
    }
    noteRest(rule, path)
    let condition: Condition =
      parts.isEmpty ? .always : parts.count == 1 ? parts[0] : .all(parts)
    if let value = rule["force"] {
      let isLast = !hasMore && !isOn(usual)
      if !isLast || isOn(value) { force(value, rule, condition, path) }
    } else if let variations = rule["variations"]?.array, variations.count > 1 {
      experiment(variations, rule, condition, path, hasMore: hasMore)
    } else {
      flag.lose(.other, "a rule that gives nothing is left out", path, rule)
    }
  }

  private mutating func noteRest(_ rule: Document, _ path: String) {
    let keys = (rule.members ?? []).map(\.key)
    if rule["variations"] != nil, keys.contains(where: Self.tracking.contains) {
      flag.lose(
        .other, "what tells its experiment apart (key, name, phase, meta) is not kept", path, rule)
    }
    for key in keys where !Self.known.contains(key) && !Self.tracking.contains(key) {
      flag.lose(.other, "\(quoted(key)) is not kept", "\(path).\(key)", rule)
    }
  }

  // MARK: Rules

  /// How a rule draws: nil, and noted, where a plan cannot draw so.
  private mutating func formula(
    _ rule: Document, _ seed: String, _ path: String
  ) -> (bucketing: Bucketing, salt: String, classes: Int)? {
    let attribute = rule["hashAttribute"]?.string ?? "id"
    guard attribute == userName else {
      flag.lose(
        .people,
        "it hashes \(quoted(attribute)) and not \(userName); where your apps send that as the "
          + "user's id, say so with --user", path, rule)
      return nil
    }
    let salt = rule["seed"]?.scalarText ?? ""
    switch rule["hashVersion"]?.int ?? 1 {
    case 1: return (.growthbook1, salt.isEmpty ? seed : salt, 1000)
    case 2: return (.growthbook2, salt.isEmpty ? seed : salt, 10_000)
    case let version:
      flag.lose(.people, "its hashVersion is \(version), and there are 1 and 2", path, rule)
      return nil
    }
  }

  private mutating func force(
    _ value: Document, _ rule: Document, _ condition: Condition, _ path: String
  ) {
    let whole: FlagRule.Outcome = isOn(value) ? .on : .off
    guard rule["coverage"] != nil || rule["range"] != nil else {
      flag.rules.append(FlagRule(condition, whole))
      return
    }
    guard let formula = formula(rule, flag.key, path) else {
      flag.rules.append(FlagRule(condition, .unknown, isOpenEnded: true))
      return
    }
    var ends: (from: Int, to: Int)
    if let range = rule["range"]?.array {
      let bounds = range.compactMap(\.double)
      guard bounds.count == 2, range.count == 2 else {
        flag.lose(.people, "its range is not two numbers", path, rule)
        return
      }
      ends = (first(bounds[0], formula.classes), first(bounds[1], formula.classes))
    } else {
      let coverage = rule["coverage"]?.double ?? 0
      // At most the coverage, and not below it.
      ends = (0, coverage > 0 ? last(coverage, formula.classes) + 1 : 0)
    }
    ends.to = max(ends.from, ends.to)
    let pieces = [
      (size: ends.from, isOn: false), (size: ends.to - ends.from, isOn: true),
      (size: formula.classes - ends.to, isOn: false),
    ]
    let outcome = drawn(pieces, formula, rule["coverage"]?.double, path)
    if whole == .off {
      // Whom it takes the value from nobody can tell by a share alone.
      if outcome != .drawn(Draw(formula.bucketing, salt: formula.salt, share: .none)) {
        flag.lose(.people, "a share of users is switched off before others are let in", path, rule)
        flag.rules.append(FlagRule(condition, .unknown))
      }
      return
    }
    flag.rules.append(FlagRule(condition, outcome, isOpenEnded: true))
  }

  private mutating func experiment(
    _ variations: [Document], _ rule: Document, _ condition: Condition, _ path: String,
    hasMore: Bool
  ) {
    var condition = condition
    if Literals.list(rule["namespace"])?.isEmpty != true {
      condition = .all([
        condition, flag.unknown("an experiment's namespace has no counterpart", path, rule),
      ])
    }
    let key = rule["key"]?.scalarText ?? ""
    guard let formula = formula(rule, key.isEmpty ? flag.key : key, path) else {
      flag.rules.append(FlagRule(condition, .unknown))
      return
    }
    let ranges = GrowthBookRanges(rule, variations.count).ranges
    var pieces: [(size: Int, isOn: Bool)] = []
    var end = 0
    for (index, range) in ranges.enumerated() where index < variations.count {
      let from = max(end, first(range.0, formula.classes))
      let to = max(from, first(range.1, formula.classes))
      pieces += [(from - end, false), (to - from, isOn(variations[index]))]
      end = to
    }
    pieces.append((formula.classes - end, false))
    if hasMore, pieces.contains(where: { !$0.isOn && $0.size > 0 }), ranges.last?.1 ?? 1 < 1 {
      flag.lose(
        .people, "whom the experiment leaves out goes on to later rules there, and is off here",
        path, rule)
    }
    flag.rules.append(FlagRule(condition, drawn(pieces, formula, nil, path)))
  }

  // MARK: Shares

  /// The first class that is not below a bound; classes are `n / count`, as its SDK computes them.
  private func first(_ bound: Double, _ count: Int) -> Int {
    guard bound > 0 else { return 0 }
    guard bound < 1 else { return count }
    var number = Int(bound * Double(count))
    while number > 0, Double(number - 1) / Double(count) >= bound { number -= 1 }
    while Double(number) / Double(count) < bound { number += 1 }
    return number
  }

  /// The last class that is at most a bound above 0.
  private func last(_ bound: Double, _ count: Int) -> Int {
    guard bound < 1 else { return count - 1 }
    let number = first(bound, count)
    return Double(number) / Double(count) <= bound ? number : number - 1
  }

  private mutating func drawn(
    _ pieces: [(size: Int, isOn: Bool)],
    _ formula: (bucketing: Bucketing, salt: String, classes: Int), _ named: Double?, _ path: String
  ) -> FlagRule.Outcome {
    let size = Bucketer.bucketCount / formula.classes
    switch Draw.Part(pieces, of: formula.classes) {
    case .none: return .drawn(Draw(formula.bucketing, salt: formula.salt, share: .none))
    case .all: return .on
    case .lower(let count):
      // Class n is in from n classes' share on: any share from here to the next class is the same
      // people, and one is as the file says it.
      let least = max(1, (count - 1) * size)
      let wanted = named.map { Int(($0 * Double(Bucketer.bucketCount)).rounded()) } ?? count * size
      let share = Share(thousandths: min(max(wanted, least), count * size - 1))
      if share.thousandths != least { note(share, count, formula.classes, path) }
      return .drawn(Draw(formula.bucketing, salt: formula.salt, share: share))
    case .upper(let count):
      let reversed: Bucketing =
        formula.bucketing == .growthbook1 ? .growthbook1Reversed : .growthbook2Reversed
      let share = Share(thousandths: count * size + 1)
      note(share, count, formula.classes, path)
      return .drawn(Draw(reversed, salt: formula.salt, share: share))
    case .middle:
      flag.lose(
        .people, "what is on lies between other shares, and not at an end of the range", path, nil)
      return .unknown
    }
  }

  private mutating func note(_ share: Share, _ count: Int, _ classes: Int, _ path: String) {
    flag.lose(
      .other,
      "\(count) of GrowthBook's \(classes) classes are written as \(share.text), which lets in the "
        + "same", path, nil)
  }
}

/// Which part of 0…1 each variation of an experiment has: `getBucketRanges` of its SDK.
private struct GrowthBookRanges {
  private(set) var ranges: [(Double, Double)] = []

  init(_ rule: Document, _ count: Int) {
    if let given = rule["ranges"]?.array {
      ranges = given.map { ($0.array?.first?.double ?? 0, $0.array?.last?.double ?? 0) }
      return
    }
    let coverage = min(max(rule["coverage"]?.double ?? 1, 0), 1)
    let equal = Array(repeating: 1 / Double(count), count: count)
    var weights = rule["weights"]?.array?.compactMap(\.double) ?? equal
    if weights.count != count || !(0.99...1.01).contains(weights.reduce(0, +)) { weights = equal }
    var start = 0.0
    for weight in weights {
      ranges.append((start, start + coverage * weight))
      start += weight
    }
  }
}

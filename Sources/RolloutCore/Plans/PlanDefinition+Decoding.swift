package import DocumentKit
package import RolloutEvaluation

extension PlanDefinition {
  package static let stageCountMax = 30
  package static let listCountMax = 10_000
  package static let nameLengthMax = 128
  /// Bytes.
  package static let saltSizeMax = 256
  /// Levels of objects and lists in a value; answers put some around it.
  package static let valueDepthMax = 32

  /// Reads a plan file. Errors carry line, column and path, and say what to write instead.
  ///
  /// `isStored` reads back what was accepted before: only what evaluation stands on is asked of it,
  /// and not what a file has to keep to.
  package init(_ document: Document, isStored: Bool = false) throws(DocumentError) {
    var file = try ObjectReader(document, isStored: isStored)
    let feature = try file.requiredText("feature")
    guard file.isStored || isName(feature) else {
      throw file.error("feature", "A feature key is 1–128 of a–z A–Z 0–9 . _ - (no leading dot).")
    }
    self.init(feature: feature)
    description = try file.text("description") ?? ""
    population.bucketing = try file.choice("bucketing") ?? .rollout
    if let salt = try file.text("salt") {
      // Elsewhere a group may have no name.
      let least = population.bucketing == .rollout ? 1 : 0
      guard file.isStored || (least...Self.saltSizeMax).contains(salt.utf8.count) else {
        throw file.error(
          "salt",
          "A salt is \(least)–\(Self.saltSizeMax) bytes; leave it out to use the feature key.")
      }
      population.salt = salt
    }
    population.eligible = try rules(&file, "eligible")
    population.forceOn = try users(&file, "force_on")
    population.forceOff = try users(&file, "force_off")
    if !file.isStored,
      let both = Set(population.forceOn.map(ExactText.init))
        .intersection(population.forceOff.map(ExactText.init)).min()
    {
      throw file.error("force_off", "\(quoted(both.text)) is also in force_on; keep one.")
    }
    population.holdout = try share(&file, "holdout") ?? .none
    if let stages = try file.list("stages") { self.stages = try decodeStages(stages, file) }
    advance = try file.choice("advance") ?? .manual
    hours = try OpeningHours.list(&file, "hours")
    if let guards = try Guard.list(&file) { self.guards = guards }
    if var rollback = try file.object("rollback") {
      rollbackDestination = try rollback.choice("to") ?? .previous
      cooldown = try time(&rollback, "cooldown") ?? cooldown
      try rollback.finish()
    }
    preset = try file.choice("preset")
    attribution = try onOff(&file, "attribution") ?? true
    requireEvidence = try file.bool("require_evidence") ?? false
    dryRun = try file.bool("dry_run") ?? false
    route = try file.text("route")
    if var fallback = try file.object("fallback") {
      fallbackContent = try fallback.requiredText("content")
      try fallback.finish()
    }
    values = try decodeValues(&file)
    try file.finish()
  }
}

extension Document {
  /// Lists and objects within one another: 0 for a scalar.
  fileprivate var depth: Int {
    switch value {
    case .null, .bool, .number, .string: 0
    case .array(let elements): 1 + (elements.map(\.depth).max() ?? 0)
    case .object(let members): 1 + (members.map(\.value.depth).max() ?? 0)
    }
  }
}

/// Feature keys, stage names and cohort names: safe in URLs, labels and file names as they are.
package func isName(_ text: String) -> Bool {
  guard let first = text.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "-"),
    text.utf8.count <= PlanDefinition.nameLengthMax
  else { return false }
  return text.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "-"):
      true
    default: false
    }
  }
}

func share(_ reader: inout ObjectReader, _ key: String) throws(DocumentError) -> Share? {
  guard let text = try reader.text(key) else { return nil }
  if !reader.isStored, let doubt = Share.doubt(about: text) { throw reader.error(key, doubt) }
  guard let share = Share(text) else {
    throw reader.error(key, "Expected a share of 0–100 % with up to three decimals, such as 5%.")
  }
  return share
}

func time(_ reader: inout ObjectReader, _ key: String) throws(DocumentError) -> TimeSpan? {
  guard let text = try reader.text(key) else { return nil }
  guard let span = TimeSpan(text) else {
    throw reader.error(
      key, TimeSpan.refusal(of: text, "Expected a duration such as 30s, 10m, 2h or 7d."))
  }
  return span
}

private func onOff(_ reader: inout ObjectReader, _ key: String) throws(DocumentError) -> Bool? {
  guard let text = try reader.text(key) else { return nil }
  switch text {
  case "on", "true": return true
  case "off", "false": return false
  default: throw reader.error(key, "Expected on or off.")
  }
}

private func users(_ reader: inout ObjectReader, _ key: String) throws(DocumentError) -> [String] {
  let users = try reader.texts(key) ?? []
  guard !reader.isStored else { return users }
  guard users.count <= PlanDefinition.listCountMax else {
    throw reader.error(key, "At most \(PlanDefinition.listCountMax) users; use a cohort for more.")
  }
  guard users.allSatisfy({ !$0.isEmpty && $0.utf8.count <= UserID.lengthMax }) else {
    throw reader.error(key, "A user id is 1–\(UserID.lengthMax) bytes.")
  }
  return users
}

private func rules(_ reader: inout ObjectReader, _ key: String) throws(DocumentError) -> [Rule]? {
  guard let list = try reader.list(key) else { return nil }
  guard reader.isStored || !list.isEmpty else {
    throw reader.error(
      key, "An empty list would match nobody; name a rule, or leave \(key) out.")
  }
  guard reader.isStored || list.count <= 100 else {
    throw reader.error(key, "At most 100 rules.")
  }
  return try decodeRules(list, depth: 0, reader)
}

private func decodeRules(
  _ list: [(element: Document, path: String)], depth: Int, _ reader: ObjectReader
) throws(DocumentError) -> [Rule] {
  var rules: [Rule] = []
  for (element, path) in list {
    rules.append(try decodeRule(element, path, depth: depth, isStored: reader.isStored))
  }
  return rules
}

private func decodeRule(
  _ document: Document, _ path: String, depth: Int, isStored: Bool
) throws(DocumentError) -> Rule {
  var reader = try ObjectReader(document, path: path, isStored: isStored)
  if let all = try reader.list("all") {
    try reader.finish()
    guard isStored || !all.isEmpty && all.count <= 100 && depth < 4 else {
      throw reader.error("all", "Expected 1–100 rules, nested at most 4 deep.")
    }
    return .all(try decodeRules(all, depth: depth + 1, reader))
  }
  let attribute = try reader.requiredText("attribute")
  var found: [Rule.Condition] = []
  for (key, decode) in conditions {
    if let condition = try decode(&reader, key) { found.append(condition) }
  }
  try reader.finish()
  guard found.count == 1, let condition = found.first else {
    let names = conditions.map(\.key).joined(separator: ", ")
    throw DocumentError(
      "A rule needs exactly one of \(names).", at: document.position, path: path)
  }
  return .attribute(attribute, condition)
}

private typealias ConditionDecoder =
  @Sendable (inout ObjectReader, String) throws(DocumentError) -> Rule.Condition?

private let conditions: [(key: String, decode: ConditionDecoder)] = [
  ("in", { r, k throws(DocumentError) in try literals(&r, k).map { .isIn($0) } }),
  ("not_in", { r, k throws(DocumentError) in try literals(&r, k).map { .isNotIn($0) } }),
  ("equals", { r, k throws(DocumentError) in try literal(&r, k).map { .isIn([$0]) } }),
  ("not_equals", { r, k throws(DocumentError) in try literal(&r, k).map { .isNotIn([$0]) } }),
  ("starts_with", { r, k throws(DocumentError) in try parts(&r, k).map { .startsWith($0) } }),
  ("ends_with", { r, k throws(DocumentError) in try parts(&r, k).map { .endsWith($0) } }),
  ("contains", { r, k throws(DocumentError) in try parts(&r, k).map { .contains($0) } }),
  ("greater_than", { r, k throws(DocumentError) in try number(&r, k).map { .greaterThan($0) } }),
  ("at_least", { r, k throws(DocumentError) in try number(&r, k).map { .atLeast($0) } }),
  ("less_than", { r, k throws(DocumentError) in try number(&r, k).map { .lessThan($0) } }),
  ("at_most", { r, k throws(DocumentError) in try number(&r, k).map { .atMost($0) } }),
  ("exists", { r, k throws(DocumentError) in try r.bool(k).map { .exists($0) } }),
]

private func number(_ reader: inout ObjectReader, _ key: String) throws(DocumentError) -> Numeral? {
  guard let value = reader.optional(key) else { return nil }
  guard case .number(let text) = value.value, let number = Numeral(text), number.isKept else {
    throw reader.error(key, "Expected a number, found \(value.kind).")
  }
  return number
}

private func literal(
  _ reader: inout ObjectReader, _ key: String
) throws(DocumentError) -> AttributeValue? {
  guard let value = reader.optional(key) else { return nil }
  guard let literal = AttributeValue(literal: value) else {
    throw reader.error(key, "Expected text, a number or a boolean.")
  }
  return literal
}

private func literals(
  _ reader: inout ObjectReader, _ key: String
) throws(DocumentError) -> [AttributeValue]? {
  guard let list = try reader.list(key) else { return nil }
  guard reader.isStored || (1...1000).contains(list.count) else {
    throw reader.error(key, "Expected 1–1000 values; an empty list would match nobody.")
  }
  var literals: [AttributeValue] = []
  for (element, path) in list {
    guard let literal = AttributeValue(literal: element) else {
      throw DocumentError(
        "Expected text, a number or a boolean.", at: element.position, path: path)
    }
    literals.append(literal)
  }
  return literals
}

/// One text or a list of texts, none of them empty: an empty part would match everybody.
private func parts(
  _ reader: inout ObjectReader, _ key: String
) throws(DocumentError) -> [String]? {
  guard let value = reader.optional(key) else { return nil }
  let texts: [String]
  if let text = value.scalarText { texts = [text] } else { texts = try reader.texts(key) ?? [] }
  guard reader.isStored || (1...1000).contains(texts.count) && texts.allSatisfy({ !$0.isEmpty })
  else {
    throw reader.error(key, "Expected text that is not empty, or a list of such.")
  }
  return texts
}

extension AttributeValue {
  /// As a rule names it: text, a finite number or a boolean. nil for the rest.
  fileprivate init?(literal document: Document) {
    guard let value = AttributeValue(document) else { return nil }
    if case .list = value { return nil }
    if case .number(let number) = value, !number.isKept { return nil }
    self = value
  }

  /// As a request states it: text, a number, a boolean, or a list of these. nil for the rest.
  package init?(_ document: Document) {
    switch document.value {
    case .string(let text): self = .text(text)
    case .number(let text):
      guard let number = Numeral(text) else { return nil }
      self = .number(number)
    case .bool(let flag): self = .bool(flag)
    case .array(let elements):
      guard elements.count <= Self.elementsMax else { return nil }
      var values: [AttributeValue] = []
      values.reserveCapacity(elements.count)
      for element in elements {
        guard element.array == nil, let value = AttributeValue(element) else { return nil }
        values.append(value)
      }
      self = .list(values)
    case .null, .object: return nil
    }
  }
}

private func decodeStages(
  _ list: [(element: Document, path: String)], _ file: ObjectReader
) throws(DocumentError) -> [Stage] {
  guard !list.isEmpty, file.isStored || list.count <= PlanDefinition.stageCountMax else {
    throw file.error("stages", "Expected 1–\(PlanDefinition.stageCountMax) stages.")
  }
  var stages: [Stage] = []
  for (element, path) in list {
    let (stage, reader) = try decodeStage(element, path, isStored: file.isStored)
    if stages.contains(where: { $0.name == stage.name }) {
      throw reader.error("name", "Two stages are named \(quoted(stage.name)).")
    }
    if let percent = stage.audience.percent,
      let before = stages.compactMap(\.audience.percent).last,
      percent < before
    {
      throw reader.error(
        "percent",
        "Percentages never decrease: \(percent.text) after \(before.text). "
          + "Widening must not take the feature from anyone.")
    }
    if !file.isStored { try checkTime(stage, after: stages, reader) }
    stages.append(stage)
  }
  return stages
}

private func scheduledTime(
  _ reader: inout ObjectReader, _ key: String
) throws(DocumentError) -> ScheduledTime? {
  guard let text = try reader.text(key) else { return nil }
  guard let time = ScheduledTime(text) else {
    throw reader.error(
      key,
      "Expected a day and time with its offset from UTC, such as 2026-12-01T09:00+01:00 (Z for UTC)."
    )
  }
  return time
}

/// Refuses times that mean nothing.
private func checkTime(
  _ stage: Stage, after stages: [Stage], _ reader: ObjectReader
) throws(DocumentError) {
  if stages.isEmpty, stage.advanceAt != nil || stage.hours != nil {
    let key = stage.advanceAt == nil ? "hours" : "advance_at"
    throw reader.error(
      key, "A person starts the first stage, whenever that is; leave \(key) out there.")
  }
  if let time = stage.advanceAt, let before = stages.compactMap(\.advanceAt).last,
    time.instant < before.instant
  {
    throw reader.error(
      "advance_at",
      "Times never go back: \(time.text) is before the \(before.text) of an earlier stage.")
  }
}

private func decodeStage(
  _ document: Document, _ path: String, isStored: Bool
) throws(DocumentError) -> (Stage, ObjectReader) {
  var reader = try ObjectReader(document, path: path, isStored: isStored)
  var stage = Stage(name: try reader.requiredText("name"))
  guard isStored || isName(stage.name) && stage.name != "off" && stage.name != "none" else {
    throw reader.error(
      "name", "A stage name is 1–128 of a–z A–Z 0–9 . _ - and not off or none.")
  }
  stage.audience.rules = try rules(&reader, "rules") ?? []
  stage.audience.cohort = try reader.text("cohort")
  if let cohort = stage.audience.cohort, !isStored, !isName(cohort) {
    throw reader.error("cohort", "A cohort name is 1–128 of a–z A–Z 0–9 . _ -")
  }
  stage.audience.percent = try share(&reader, "percent")
  stage.soak = try time(&reader, "soak")
  stage.approvals = try reader.int("approvals", in: 0...10) ?? 0
  stage.preset = try reader.choice("preset")
  stage.advanceAt = try scheduledTime(&reader, "advance_at")
  stage.hours = try OpeningHours.list(&reader, "hours")
  try reader.finish()
  let audience = stage.audience
  guard isStored || !audience.rules.isEmpty || audience.cohort != nil || audience.percent != nil
  else {
    throw DocumentError(
      "Stage \(quoted(stage.name)) has no audience and would match nobody; "
        + "give it rules, a cohort or a percent.", at: document.position, path: path)
  }
  return (stage, reader)
}

private func decodeValues(
  _ file: inout ObjectReader
) throws(DocumentError) -> PlanDefinition.Values? {
  guard var reader = try file.object("values") else { return nil }
  let values = PlanDefinition.Values(
    on: try reader.required("on"), off: try reader.required("off"))
  try reader.finish()
  guard file.isStored || values.on.kind == values.off.kind && values.on.array == nil else {
    throw file.error("values", "on and off must both be text, numbers, booleans or objects.")
  }
  guard file.isStored || max(values.on.depth, values.off.depth) <= PlanDefinition.valueDepthMax
  else {
    throw file.error(
      "values", "A value nests at most \(PlanDefinition.valueDepthMax) levels deep; flatten it.")
  }
  guard file.isStored || !values.on.hasSameValue(as: values.off) else {
    throw file.error(
      "values",
      "on and off are the same value, so a killed plan would still hand out what means on; "
        + "give off another.")
  }
  return values
}

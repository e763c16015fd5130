import DocumentKit
import RolloutAPI
import RolloutCore

/// What a file changes about a plan, in the words of people: stages by name, guards by metric.
struct DiffWords {
  private(set) var lines: [String] = []

  /// `old` is null for a feature that has no plan.
  init(_ old: Document, _ new: Document) {
    let oldKeys = old.members?.map(\.key) ?? []
    let keys = (new.members?.map(\.key) ?? []) + oldKeys.filter { new[$0] == nil }
    for key in keys where old[key] != new[key] && key != "feature" {
      switch key {
      case "stages": stages(old[key]?.array ?? [], new[key]?.array ?? [])
      case "guards": guards(old[key]?.array ?? [], new[key]?.array ?? [])
      case "rollback": members("after a failure", old[key], new[key])
      case "eligible": rules("eligible", old[key], new[key])
      case "salt" where !old.isNull, "bucketing" where !old.isNull:
        change(key, old[key], new[key])
        lines.append("\(key): another draws everybody anew, so anybody may join or leave")
      case "hours": change("hours", old[key].map(Self.hours), new[key].map(Self.hours))
      case "force_on", "force_off": list(key.replacing("_", with: " "), old[key], new[key])
      default: change(key.replacing("_", with: " "), old[key], new[key])
      }
    }
  }

  // MARK: Stages

  private mutating func stages(_ old: [Document], _ new: [Document]) {
    func name(_ stage: Document) -> String { stage["name"]?.string ?? "" }
    for (index, stage) in new.enumerated() {
      guard let before = old.first(where: { name($0) == name(stage) }) else {
        let place = index == 0 ? "first" : "after \(name(new[index - 1]))"
        lines.append("\(name(stage)): new stage, \(place): \(Self.audience(stage))")
        continue
      }
      self.stage(name(stage), before, stage)
    }
    for stage in old where !new.contains(where: { name($0) == name(stage) }) {
      lines.append("\(name(stage)): stage is gone (it was \(Self.audience(stage)))")
    }
    let kept = old.map(name).filter { known in new.contains { name($0) == known } }
    let order = new.map(name).filter { known in old.contains { name($0) == known } }
    if kept != order { lines.append("stages in another order: \(order.joined(separator: ", "))") }
  }

  private mutating func stage(_ name: String, _ old: Document, _ new: Document) {
    let oldKeys = old.members?.map(\.key) ?? []
    let keys = (new.members?.map(\.key) ?? []) + oldKeys.filter { new[$0] == nil }
    for key in keys where old[key] != new[key] {
      switch key {
      case "rules": rules(name, old[key], new[key])
      case "percent":
        change("\(name): share", old[key].map(Self.share), new[key].map(Self.share))
      case "hours":
        change("\(name): hours", old[key].map(Self.hours), new[key].map(Self.hours))
      case "advance_at": change("\(name): not before", old[key], new[key])
      default: change("\(name): \(key)", old[key], new[key])
      }
    }
  }

  /// `Mon–Thu 09:00–16:00 Europe/Berlin`; as it is written where it says something else.
  private static func hours(_ hours: Document) -> Document {
    (try? OpeningHours.words(hours)).map { .string($0) } ?? hours
  }

  /// `5 %, cohort beta, email ends with @acme.com`
  private static func audience(_ stage: Document) -> String {
    var parts: [String] = []
    if let percent = stage["percent"] { parts.append(value(share(percent))) }
    if let cohort = stage["cohort"] { parts.append("cohort \(value(cohort))") }
    parts += (stage["rules"]?.array ?? []).map(rule)
    if let soak = stage["soak"] { parts.append("soak \(value(soak))") }
    if let approvals = stage["approvals"] { parts.append("approvals \(value(approvals))") }
    if let time = stage["advance_at"] { parts.append("not before \(value(time))") }
    if let hours = stage["hours"] { parts.append("hours \(value(Self.hours(hours)))") }
    return parts.joined(separator: ", ")
  }

  /// `25` → `25 %`
  private static func share(_ percent: Document) -> Document {
    let text = percent.scalarText ?? ""
    return .string(text.hasSuffix("%") ? text : "\(text)%")
  }

  // MARK: Guards

  private mutating func guards(_ old: [Document], _ new: [Document]) {
    func name(_ entry: Document) -> String {
      entry["metric"]?.string ?? entry["prometheus"]?.string ?? ""
    }
    var rest = old
    for entry in new {
      guard let index = rest.firstIndex(where: { name($0) == name(entry) }) else {
        lines.append(
          "guard \(name(entry)): new, limit \(Self.value(entry["max"])), "
            + "\(Self.value(entry["action"]))")
        continue
      }
      let before = rest.remove(at: index)
      members("guard \(name(entry))", before, entry)
    }
    for entry in rest {
      lines.append("guard \(name(entry)) is gone (its limit was \(Self.value(entry["max"])))")
    }
  }

  // MARK: Lists and members

  private mutating func members(_ name: String, _ old: Document?, _ new: Document?) {
    guard (old ?? new)?.members != nil else { return change(name, old, new) }
    let (old, new) = (old ?? .object([:]), new ?? .object([:]))
    let oldKeys = old.members?.map(\.key) ?? []
    let keys = (new.members?.map(\.key) ?? []) + oldKeys.filter { new[$0] == nil }
    for key in keys where old[key] != new[key] {
      let word = key == "max" ? "limit" : key == "to" ? "back to" : key
      switch old[key] {
      case nil: lines.append("\(name): \(word) \(Self.value(new[key])) (new)")
      case let before?: change("\(name): \(word)", before, new[key])
      }
    }
  }

  private mutating func rules(_ name: String, _ old: Document?, _ new: Document?) {
    let before = old?.array ?? []
    let after = new?.array ?? []
    for rule in after where !before.contains(rule) { lines.append("\(name): + \(Self.rule(rule))") }
    for rule in before where !after.contains(rule) { lines.append("\(name): − \(Self.rule(rule))") }
  }

  private mutating func list(_ name: String, _ old: Document?, _ new: Document?) {
    let before = Set(old?.array?.compactMap(\.scalarText) ?? [])
    let after = Set(new?.array?.compactMap(\.scalarText) ?? [])
    for (mark, users) in [("+", after.subtracting(before)), ("−", before.subtracting(after))] {
      guard !users.isEmpty else { continue }
      let shown = users.sorted().prefix(Self.namesShown).joined(separator: ", ")
      let more = users.count - min(users.count, Self.namesShown)
      lines.append("\(name): \(mark) \(shown)\(more > 0 ? " and \(more) more" : "")")
    }
  }

  private static let namesShown = 10

  private mutating func change(_ name: String, _ old: Document?, _ new: Document?) {
    let from = old.map { Self.value($0) }
    let to = new.map { Self.value($0) }
    switch (from, to) {
    case (let from?, let to?): lines.append("\(name) \(from) → \(to)")
    case (nil, let to?): lines.append("\(name): \(to) (new)")
    case (let from?, nil): lines.append("\(name) \(from) is gone")
    case (nil, nil): break
    }
  }

  // MARK: Values

  /// `7d` → `7 d`, `5%` → `5 %`; objects as they are written.
  private static func value(_ document: Document?) -> String {
    guard let document else { return "none" }
    guard let text = document.scalarText else { return document.jsonText }
    if text.isEmpty { return "\"\"" }
    if let parts = text.wholeMatch(of: #/([0-9]+(?:\.[0-9]+)?)(%|ms|s|m|h|d)/#) {
      return "\(parts.1) \(parts.2)"
    }
    return text.contains(" ") ? quoted(text) : text
  }

  private static let words: KeyValuePairs = [
    "in": "is one of", "not_in": "is none of", "starts_with": "starts with",
    "ends_with": "ends with", "contains": "contains", "greater_than": "is more than",
    "at_least": "is at least", "less_than": "is less than", "at_most": "is at most",
  ]

  /// `email ends with @acme.com`
  static func rule(_ rule: Document) -> String {
    if let all = rule["all"]?.array { return all.map(self.rule).joined(separator: " and ") }
    let attribute = rule["attribute"]?.scalarText ?? ""
    if let exists = rule["exists"]?.bool { return "\(attribute) is \(exists ? "" : "not ")there" }
    for (key, words) in self.words {
      guard let operand = rule[key] else { continue }
      let list = operand.array ?? [operand]
      let shown = list.prefix(namesShown).compactMap(\.scalarText).joined(separator: ", ")
      let more = list.count > namesShown ? " and \(list.count - namesShown) more" : ""
      return "\(attribute) \(words) \(shown)\(more)"
    }
    return rule.jsonText
  }

  /// Who joins and who leaves, a line each.
  static func audience(_ audience: AudienceView?) -> [String] {
    guard let audience else { return [] }
    func line(_ verb: String, _ part: AudienceView.Part) -> String {
      let place = part.stage.map { " of stage \($0)" } ?? ""
      let document = try? JSONReader.read(Array(part.what.utf8))
      let isRule = document?["attribute"] != nil || document?["all"] != nil
      let what = isRule ? document.map(rule) ?? part.what : part.what
      return "\(verb) by \(part.by.replacing("_", with: " "))\(place): \(clean(what))"
    }
    return audience.joins.map { line("join", $0) } + audience.leaves.map { line("leave", $0) }
  }
}

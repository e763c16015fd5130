import DocumentKit
import RolloutCore
import RolloutEvaluation

/// Reads flagd's flag definitions.
///
/// Source: open-feature/flagd docs/reference/flag-definitions.md and
/// core/pkg/evaluator/fractional.go.
enum FlagdReader {
  static func flags(
    _ document: Document, _ settings: ImportSettings
  ) throws(DocumentError) -> [ForeignFlag] {
    guard let members = document["flags"]?.members else {
      throw DocumentError(
        "These are no definitions of flagd: an object \"flags\" is missing.",
        at: document.position)
    }
    try ForeignFlag.checkCount(members.count, document)
    let evaluators = document["$evaluators"] ?? .object([:])
    return members.map { FlagdFlag($0, evaluators, settings).flag }
  }
}

/// One flag of a file.
private struct FlagdFlag {
  private(set) var flag: ForeignFlag
  private let logic: JSONLogic
  private let evaluators: Document
  private var variants: [Document.Member] = []
  private var defaultName: String?

  /// Evaluators within one another.
  private static let referencesMax = 16
  /// Branches of one flag's targeting, and values of it with all evaluators in place.
  private static let branchesMax = 500
  private static let valuesMax = 20_000
  private var resolvedCount = 0

  /// What a branch of the targeting gives, before it is known which value is on.
  private struct Branch {
    enum Given {
      /// A variant's name; nil for the default.
      case variant(String?)
      /// Names with weights, and what is hashed before the user's id.
      case split([(name: String?, weight: Int)], salt: String)
      case unknown
    }

    var condition: Condition
    var given: Given
  }

  private var branches: [Branch] = []

  init(_ member: Document.Member, _ evaluators: Document, _ settings: ImportSettings) {
    let path = "flags.\(member.key)"
    flag = ForeignFlag(member.key, of: .flagd, path: path, position: member.keyPosition)
    logic = JSONLogic(
      userNames: [settings.userAttribute ?? ForeignSystem.flagd.userAttribute],
      time: settings.time)
    self.evaluators = evaluators
    do throws(FlagValues.Refusal) { try read(member.value, path) } catch {
      flag.refusal = error.why
    }
  }

  private mutating func read(_ document: Document, _ path: String) throws(FlagValues.Refusal) {
    guard let members = document["variants"]?.members, !members.isEmpty else {
      throw .init(why: "it has no variants")
    }
    variants = members
    defaultName = document["defaultVariant"]?.scalarText
    if let name = defaultName, value(name) == nil {
      throw .init(why: "its defaultVariant \(quoted(name)) is none of its variants")
    }
    flag.description = document["metadata"]?["description"]?.scalarText ?? ""
    switch document["state"]?.string ?? "ENABLED" {
    case "ENABLED": break
    case "DISABLED": flag.isEnabled = false
    case let state: throw .init(why: "its state is \(quoted(state)), not ENABLED or DISABLED")
    }
    for member in document.members ?? [] {
      switch member.key {
      case "state", "variants", "defaultVariant", "targeting": break
      case "metadata":
        let more = member.value.members?.contains { $0.key != "description" } ?? false
        if more { flag.lose(.other, "metadata is not kept", "\(path).metadata", member.value) }
      default:
        flag.lose(
          .other, "\(quoted(member.key)) is not kept", "\(path).\(member.key)", member.value)
      }
    }
    if let targeting = document["targeting"], !targeting.isNull,
      targeting.members?.isEmpty != true
    {
      let place = "\(path).targeting"
      branch(resolved(targeting, place, depth: 0), .always, place, depth: 0)
    }
    branches.append(Branch(condition: .always, given: .variant(nil)))
    guard branches.count <= Self.branchesMax else {
      throw .init(why: "its targeting has more than \(Self.branchesMax) branches")
    }
    try decide(path)
  }

  private func value(_ name: String) -> Document? {
    variants.first { $0.key == name }?.value
  }

  // MARK: Targeting

  /// Appends what `logic` gives to those for whom `condition` holds.
  private mutating func branch(
    _ logic: Document, _ condition: Condition, _ path: String, depth: Int
  ) {
    guard depth < JSONReader.depthMax, branches.count <= Self.branchesMax else { return }
    if logic.isNull { return give(.variant(nil), condition) }
    if let name = logic.string ?? logic.bool.map({ $0 ? "true" : "false" }) {
      return give(named(name, path, logic), condition)
    }
    let member = logic.members?.count == 1 ? logic.members?.first : nil
    switch member?.key {
    case "if", "?:":
      choose(member?.value.array ?? [], condition, "\(path).if", depth: depth)
    case "fractional":
      give(fractional(member?.value ?? .null, "\(path).fractional"), condition)
    default:
      guard value("true") != nil || value("false") != nil else {
        flag.lose(.people, "what it gives is no variant's name", path, logic)
        return give(.unknown, condition)
      }
      // A condition on its own gives the variants "true" and "false".
      let holds = self.logic.condition(logic, path, &flag)
      give(named("true", path, logic), .all([condition, holds]))
      give(named("false", path, logic), condition)
    }
  }

  private mutating func choose(
    _ parts: [Document], _ condition: Condition, _ path: String, depth: Int
  ) {
    var index = 0
    while index + 1 < parts.count {
      let holds = logic.condition(parts[index], "\(path)[\(index)]", &flag)
      branch(
        parts[index + 1], .all([condition, holds]), "\(path)[\(index + 1)]", depth: depth + 1)
      index += 2
    }
    if index < parts.count {
      branch(parts[index], condition, "\(path)[\(index)]", depth: depth + 1)
    } else {
      give(.variant(nil), condition)
    }
  }

  private mutating func give(_ given: Branch.Given, _ condition: Condition) {
    let condition = condition == .all([.always]) ? .always : condition
    branches.append(Branch(condition: simple(condition), given: given))
  }

  /// The same without what always holds around it.
  private func simple(_ condition: Condition) -> Condition {
    guard case .all(let parts) = condition else { return condition }
    let rest = parts.map(simple).filter { $0 != .always }
    return rest.isEmpty ? .always : rest.count == 1 ? rest[0] : .all(rest)
  }

  private mutating func named(
    _ name: String, _ path: String, _ document: Document
  ) -> Branch.Given {
    if value(name) != nil { return .variant(name) }
    flag.lose(.people, "there is no variant \(quoted(name))", path, document)
    return .unknown
  }

  /// With shared evaluators in place of `$ref`.
  private mutating func resolved(_ document: Document, _ path: String, depth: Int) -> Document {
    resolvedCount += 1
    guard depth < Self.referencesMax, resolvedCount <= Self.valuesMax else {
      flag.lose(.people, "its evaluators refer to too many others", path, document)
      // An operator that has no counterpart.
      return Document(.object([.init(key: "$ref", value: .null)]), at: document.position)
    }
    if let members = document.members {
      if members.count == 1, members[0].key == "$ref" {
        let name = members[0].value.string ?? ""
        // Also as a pointer into the file.
        let key = name.split(separator: "/").last.map(String.init) ?? name
        guard let target = evaluators[key] else {
          flag.lose(.people, "there is no evaluator \(quoted(name))", path, document)
          return document
        }
        return resolved(target, path, depth: depth + 1)
      }
      return Document(
        .object(
          members.map { member in
            Document.Member(
              key: member.key, keyPosition: member.keyPosition,
              value: resolved(member.value, path, depth: depth))
          }), at: document.position)
    }
    guard let elements = document.array else { return document }
    return Document(
      .array(elements.map { resolved($0, path, depth: depth) }), at: document.position)
  }

  // MARK: Shares

  private mutating func fractional(_ argument: Document, _ path: String) -> Branch.Given {
    var parts = argument.array ?? []
    var salt: String? = flag.key
    if let first = parts.first, first.array == nil {
      salt = first.isNull ? flag.key : hashed(first)
      parts.removeFirst()
    }
    guard let salt else {
      flag.lose(
        .people,
        "it hashes something else than \(logic.userNames.first ?? ""); where your apps send that "
          + "as the user's id, say so with --user", path, argument)
      return .unknown
    }
    var split: [(name: String?, weight: Int)] = []
    for (index, part) in parts.enumerated() {
      let pair = part.array ?? []
      let name = pair.first?.string ?? pair.first?.bool.map { $0 ? "true" : "false" }
      let isDefault = pair.first?.isNull ?? false
      let weight = pair.count > 1 && !pair[1].isNull ? pair[1].int : 1
      guard let weight, weight <= Int(Int32.max), name != nil || isDefault else {
        flag.lose(
          .people, "a share is a variant's name with a whole weight; this one is computed",
          "\(path)[\(index)]", part)
        return .unknown
      }
      if let name, value(name) == nil {
        flag.lose(.people, "there is no variant \(quoted(name))", "\(path)[\(index)]", part)
        return .unknown
      }
      split.append((name, max(0, weight)))
    }
    let total = split.reduce(0) { $0 + $1.weight }
    guard total > 0 else { return .variant(nil) }
    guard total <= Int(Int32.max) else {
      flag.lose(.people, "its weights add up to more than \(Int32.max)", path, argument)
      return .unknown
    }
    return .split(split, salt: salt)
  }

  /// What stands before the user's id in what is hashed; nil where that is not last, or not there.
  private func hashed(_ expression: Document) -> String? {
    if let name = JSONLogic.variable(expression) {
      return logic.userNames.contains(name) ? "" : nil
    }
    guard let members = expression.members, members.count == 1, members[0].key == "cat",
      var parts = members[0].value.array, let last = parts.popLast(),
      let name = JSONLogic.variable(last), logic.userNames.contains(name)
    else { return nil }
    var salt = ""
    for part in parts {
      if JSONLogic.variable(part) == "$flagd.flagKey" {
        salt += flag.key
      } else if let text = part.scalarText {
        salt += text
      } else {
        return nil
      }
    }
    return salt
  }

  // MARK: Outcomes

  private mutating func decide(_ path: String) throws(FlagValues.Refusal) {
    var names: [String?] = []
    for branch in branches {
      switch branch.given {
      case .variant(let name): names.append(name)
      case .split(let split, _): names += split.filter { $0.weight > 0 }.map(\.name)
      case .unknown: break
      }
    }
    let usual = defaultName.flatMap(value)
    let used = names.compactMap { ($0 ?? defaultName).flatMap(value) }
    let values = try FlagValues(used, off: usual, all: variants.map(\.value))
    flag.values = values.values
    if defaultName == nil, names.contains(nil) {
      flag.lose(
        .other, "without a defaultVariant the app's own default counts there; here it is off",
        path, nil)
    }
    func isOn(_ name: String?) -> Bool {
      (name ?? defaultName).flatMap(value).map(values.isOn) ?? false
    }
    for branch in branches {
      switch branch.given {
      case .variant(let name):
        flag.rules.append(FlagRule(branch.condition, isOn(name) ? .on : .off))
      case .split(let split, let salt):
        let pieces = split.map { (size: $0.weight, isOn: isOn($0.name)) }
        flag.rules.append(FlagRule(branch.condition, drawn(pieces, salt, path)))
      case .unknown: flag.rules.append(FlagRule(branch.condition, .unknown))
      }
    }
  }

  private mutating func drawn(
    _ pieces: [(size: Int, isOn: Bool)], _ salt: String, _ path: String
  ) -> FlagRule.Outcome {
    let total = pieces.reduce(0) { $0 + $1.size }
    switch Draw.Part(pieces, of: total) {
    case .none: return .off
    case .all: return .on
    case .lower(let weight):
      return .drawn(Draw(.flagd, salt: salt, share: share(weight, of: total, path)))
    case .upper(let weight):
      return .drawn(Draw(.flagdReversed, salt: salt, share: share(weight, of: total, path)))
    case .middle:
      flag.lose(
        .people, "what is on lies between other shares, and not at an end of the range", path, nil)
      return .unknown
    }
  }

  /// Rounded up to a thousandth of a percent, so that nobody loses it.
  private mutating func share(_ weight: Int, of total: Int, _ path: String) -> Share {
    let (whole, rest) = (weight * 100_000).quotientAndRemainder(dividingBy: total)
    guard rest > 0 else { return Share(thousandths: whole) }
    flag.lose(
      .other,
      "\(weight) of \(total) is no whole thousandth of a percent: rounded up, up to one user of "
        + "100,000 joins", path, nil)
    return Share(thousandths: whole + 1)
  }
}

import DocumentKit
import RolloutCore
import RolloutEvaluation

/// Conditions in JsonLogic, as flagd and GO Feature Flag take them.
///
/// Source: https://jsonlogic.com/operations.html, flagd docs/reference/custom-operations. A text
/// that is compared with a number counts as that number there too.
struct JSONLogic {
  /// What the user's id is called.
  let userNames: Set<String>
  /// For `$flagd.timestamp`.
  let time: Instant

  /// Seconds since 1970, injected into every context of flagd.
  private static let timestampName = "$flagd.timestamp"

  /// The name that `{"var": …}` reads; nil for anything else, and for one with a default.
  static func variable(_ document: Document) -> String? {
    guard let members = document.members, members.count == 1, members[0].key == "var" else {
      return nil
    }
    let value = members[0].value
    if let elements = value.array { return elements.count == 1 ? elements[0].string : nil }
    return value.string
  }

  /// Whom `logic` holds for; what has no counterpart is noted in `flag` and is unknown.
  func condition(_ logic: Document, _ path: String, _ flag: inout ForeignFlag) -> Condition {
    if let isTrue = logic.bool { return isTrue ? .always : .never }
    guard let members = logic.members, members.count == 1 else {
      return flag.unknown("a condition is an object with one operator", path, logic)
    }
    let (name, argument) = (members[0].key, members[0].value)
    let place = "\(path).\(name)"
    let arguments = argument.array ?? [argument]
    switch name {
    case "and", "or":
      let parts = arguments.enumerated().map {
        condition($0.element, "\(place)[\($0.offset)]", &flag)
      }
      return name == "and" ? .all(parts) : .any(parts)
    case "!" where arguments.count == 1: return .not(condition(arguments[0], place, &flag))
    case "!!" where arguments.count == 1: return condition(arguments[0], place, &flag)
    case "==", "===": return equality(arguments, place, &flag)
    case "!=", "!==": return .not(equality(arguments, place, &flag))
    case "in": return membership(arguments, place, &flag)
    case "starts_with", "ends_with": return affix(name, arguments, place, &flag)
    case "<", "<=", ">", ">=": return comparison(name, arguments, place, &flag)
    default:
      return flag.unknown("the operator \(quoted(name)) has no counterpart", path, logic)
    }
  }

  // MARK: Operators

  /// A name and what it is compared with; `isFlipped` where the name stands behind.
  private func sides(_ arguments: [Document]) -> (name: String, other: Document, isFlipped: Bool)? {
    guard arguments.count == 2 else { return nil }
    if let name = Self.variable(arguments[0]), Self.variable(arguments[1]) == nil {
      return (name, arguments[1], false)
    }
    if let name = Self.variable(arguments[1]), Self.variable(arguments[0]) == nil {
      return (name, arguments[0], true)
    }
    return nil
  }

  private func equality(
    _ arguments: [Document], _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    guard let (name, other, _) = sides(arguments) else { return unreadable(path, &flag) }
    if userNames.contains(name) { return users([other], name, path, &flag) }
    if other.isNull { return .attribute(name, .exists(false)) }
    guard let value = Literals.value(other) else { return unreadable(path, &flag) }
    return .attribute(name, .isIn([value]))
  }

  private func membership(
    _ arguments: [Document], _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    guard let (name, other, isFlipped) = sides(arguments) else { return unreadable(path, &flag) }
    if !isFlipped, let elements = other.array {
      guard !elements.isEmpty else { return .never }
      if userNames.contains(name) { return users(elements, name, path, &flag) }
      guard let values = Literals.values(other) else { return unreadable(path, &flag) }
      return .attribute(name, .isIn(values))
    }
    guard isFlipped, let part = other.string, !part.isEmpty else { return unreadable(path, &flag) }
    if userNames.contains(name) { return idPattern(path, &flag) }
    return .attribute(name, .contains([part]))
  }

  private func affix(
    _ operation: String, _ arguments: [Document], _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    guard let (name, other, isFlipped) = sides(arguments), !isFlipped, let part = other.string,
      !part.isEmpty
    else { return unreadable(path, &flag) }
    if userNames.contains(name) { return idPattern(path, &flag) }
    return .attribute(name, operation == "starts_with" ? .startsWith([part]) : .endsWith([part]))
  }

  private func comparison(
    _ operation: String, _ arguments: [Document], _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    // `{"<": [1, {"var": "n"}, 3]}`: between.
    if arguments.count == 3, operation.hasPrefix("<") {
      let halves = [Array(arguments.prefix(2)), Array(arguments.suffix(2))]
      return .all(halves.map { comparison(operation, $0, path, &flag) })
    }
    guard let (name, other, isFlipped) = sides(arguments), let limit = Literals.number(other),
      !userNames.contains(name)
    else { return unreadable(path, &flag) }
    let isLess = operation.hasPrefix("<") != isFlipped
    let isStrict = !operation.hasSuffix("=")
    if name == Self.timestampName {
      flag.lose(
        .other, "it looks at the time; the plan keeps what holds now", path, arguments.first)
      let now = Numeral.whole(Int128(time.milliseconds / 1000))
      let holds = isLess ? now < limit : now > limit
      return holds || !isStrict && now == limit ? .always : .never
    }
    switch (isLess, isStrict) {
    case (true, true): return .attribute(name, .lessThan(limit))
    case (true, false): return .attribute(name, .atMost(limit))
    case (false, true): return .attribute(name, .greaterThan(limit))
    case (false, false): return .attribute(name, .atLeast(limit))
    }
  }

  // MARK: What cannot be told

  private func users(
    _ ids: [Document], _ name: String, _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    guard let users = Literals.users(.array(ids)) else { return unreadable(path, &flag) }
    return .users(users)
  }

  private func idPattern(_ path: String, _ flag: inout ForeignFlag) -> Condition {
    flag.unknown("a rule cannot look into the user's id; lists of ids can be kept", path, nil)
  }

  private func unreadable(_ path: String, _ flag: inout ForeignFlag) -> Condition {
    flag.unknown("only an attribute compared with a constant can be kept", path, nil)
  }
}

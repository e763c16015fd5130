import DocumentKit
import RolloutEvaluation

/// GrowthBook's conditions, which read like MongoDB's.
///
/// Source: growthbook/growthbook packages/sdk-js/src/mongrule.ts.
struct GrowthBookConditions {
  let userName: String
  let groups: Document

  func condition(_ document: Document, _ path: String, _ flag: inout ForeignFlag) -> Condition {
    guard let members = document.members else {
      return flag.unknown("a condition is an object", path, document)
    }
    return .all(
      members.map { member in
        let place = "\(path).\(member.key)"
        switch member.key {
        case "$and": return .all(list(member.value, place, &flag))
        case "$or":
          let parts = list(member.value, place, &flag)
          // An empty list holds there.
          return parts.isEmpty ? .always : .any(parts)
        case "$nor":
          let parts = list(member.value, place, &flag)
          return parts.isEmpty ? .never : .not(.any(parts))
        case "$not": return .not(condition(member.value, place, &flag))
        default: return attribute(member.key, member.value, place, &flag)
        }
      })
  }

  private func list(
    _ document: Document, _ path: String, _ flag: inout ForeignFlag
  ) -> [Condition] {
    guard let elements = document.array else {
      return [flag.unknown("a list of conditions is expected", path, document)]
    }
    return elements.enumerated().map { condition($0.element, "\(path)[\($0.offset)]", &flag) }
  }

  private func attribute(
    _ name: String, _ wanted: Document, _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    guard !name.hasPrefix("$") else {
      return flag.unknown("the operator \(name) has no counterpart", path, wanted)
    }
    guard !name.contains(".") else {
      return flag.unknown("a rule cannot look into the attribute \(quoted(name))", path, wanted)
    }
    guard let members = wanted.members else { return equality(name, wanted, path, &flag) }
    guard !members.isEmpty, members.allSatisfy({ $0.key.hasPrefix("$") }) else {
      return flag.unknown("a rule cannot compare an attribute with an object", path, wanted)
    }
    return .all(
      members.map { operation($0.key, name, $0.value, "\(path).\($0.key)", &flag) })
  }

  private func equality(
    _ name: String, _ wanted: Document, _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    if wanted.isNull { return .attribute(name, .exists(false)) }
    return isIn(name, .array([wanted]), path, &flag)
  }

  private func isIn(
    _ name: String, _ list: Document, _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    if list.array?.isEmpty == true { return .never }
    if name == userName, let users = Literals.users(list) { return .users(users) }
    guard name != userName, let values = Literals.values(list) else {
      return flag.unknown("only text, numbers and booleans can be compared with", path, list)
    }
    return .attribute(name, .isIn(values))
  }

  private func operation(
    _ operation: String, _ name: String, _ operand: Document, _ path: String,
    _ flag: inout ForeignFlag
  ) -> Condition {
    switch operation {
    case "$eq": return equality(name, operand, path, &flag)
    case "$ne": return .not(equality(name, operand, path, &flag))
    case "$in": return isIn(name, operand, path, &flag)
    case "$nin": return .not(isIn(name, operand, path, &flag))
    case "$inGroup": return group(name, operand, path, &flag)
    case "$notInGroup": return .not(group(name, operand, path, &flag))
    case "$exists" where name != userName:
      return .attribute(name, .exists(operand.bool ?? true))
    case "$not":
      return .not(
        operand.members == nil
          ? equality(name, operand, path, &flag) : attribute(name, operand, path, &flag))
    case "$gt", "$gte", "$lt", "$lte":
      guard let limit = Literals.number(operand), name != userName else {
        return flag.unknown("\(operation) is kept for numbers only", path, operand)
      }
      let conditions: [String: Rule.Condition] = [
        "$gt": .greaterThan(limit), "$gte": .atLeast(limit), "$lt": .lessThan(limit),
        "$lte": .atMost(limit),
      ]
      return conditions[operation].map { .attribute(name, $0) } ?? .never
    default:
      return flag.unknown("the operator \(operation) has no counterpart", path, operand)
    }
  }

  private func group(
    _ name: String, _ id: Document, _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    guard let members = id.string.flatMap({ groups[$0] }) else {
      return flag.unknown("the file does not say who is in its saved group", path, id)
    }
    return isIn(name, members, path, &flag)
  }
}

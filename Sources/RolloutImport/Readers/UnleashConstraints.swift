import DocumentKit
import RolloutCore
import RolloutEvaluation

/// Unleash's constraints and segments as conditions.
///
/// Source: Unleash/unleash src/lib/features/playground/feature-evaluator/constraint.ts.
struct UnleashConstraints {
  let userName: String
  private let segments: [Document]
  private let time: Instant

  init(_ file: Document, _ settings: ImportSettings) {
    userName = settings.userAttribute ?? ForeignSystem.unleash.userAttribute
    segments = file["segments"]?.array ?? []
    time = settings.time
  }

  func segment(_ id: Document, _ path: String, _ flag: inout ForeignFlag) -> Condition {
    let text = id.scalarText ?? ""
    guard let index = segments.firstIndex(where: { $0["id"]?.scalarText == text }) else {
      return flag.unknown("there is no segment \(quoted(text)) in the file", path, id)
    }
    guard let constraints = segments[index]["constraints"]?.array else {
      let name = segments[index]["name"]?.string ?? text
      return flag.unknown(
        "the file does not say who is in segment \(quoted(name)); Unleash exports its name only, "
          + "but GET /api/client/features has it whole", path, id)
    }
    return .all(
      constraints.enumerated().map {
        condition($0.element, "segments[\(index)].constraints[\($0.offset)]", &flag)
      })
  }

  func condition(_ constraint: Document, _ path: String, _ flag: inout ForeignFlag) -> Condition {
    let plain = uninverted(constraint, path, &flag)
    return constraint["inverted"]?.bool == true ? .not(plain) : plain
  }

  private func uninverted(
    _ constraint: Document, _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    guard let name = constraint["contextName"]?.string,
      let operation = constraint["operator"]?.string
    else { return flag.unknown("a constraint has a contextName and an operator", path, constraint) }
    let listed = (constraint["values"]?.array ?? []).compactMap(\.scalarText)
      .map { trimmed($0) }.filter { !$0.isEmpty }
    let isLoose = constraint["caseInsensitive"]?.bool == true
    let values = isLoose ? listed.flatMap(Condition.spellings) : listed
    if isLoose {
      flag.lose(
        .people, "it does not look at the case of letters; the plan knows the usual spellings",
        path, constraint)
    }
    switch operation {
    case "IN", "NOT_IN":
      let isIn: Condition =
        values.isEmpty
        ? .never
        : name == userName
          ? .users(values) : .attribute(name, .isIn(values.map { .text($0) }))
      return operation == "IN" ? isIn : .not(isIn)
    case "STR_STARTS_WITH", "STR_ENDS_WITH", "STR_CONTAINS":
      guard !values.isEmpty else { return .never }
      guard name != userName else {
        return flag.unknown(
          "a rule cannot look into the user's id; lists of ids can be kept", path, constraint)
      }
      return .attribute(
        name,
        operation == "STR_STARTS_WITH"
          ? .startsWith(values)
          : operation == "STR_ENDS_WITH" ? .endsWith(values) : .contains(values))
    case "DATE_AFTER", "DATE_BEFORE": return date(operation, constraint, path, &flag)
    default: return number(name, operation, constraint, path, &flag)
    }
  }

  private func number(
    _ name: String, _ operation: String, _ constraint: Document, _ path: String,
    _ flag: inout ForeignFlag
  ) -> Condition {
    guard operation.hasPrefix("NUM_"), name != userName else {
      return flag.unknown("the operator \(operation) has no counterpart", path, constraint)
    }
    guard let text = constraint["value"]?.scalarText, let limit = Numeral(trimmed(text)),
      limit.isKept
    else { return flag.unknown("its value is no number", path, constraint) }
    switch operation {
    case "NUM_EQ": return .attribute(name, .isIn([.number(limit)]))
    case "NUM_GT": return .attribute(name, .greaterThan(limit))
    case "NUM_GTE": return .attribute(name, .atLeast(limit))
    case "NUM_LT": return .attribute(name, .lessThan(limit))
    case "NUM_LTE": return .attribute(name, .atMost(limit))
    default: return flag.unknown("the operator \(operation) has no counterpart", path, constraint)
    }
  }

  /// As it is now: a plan does not look at the time.
  private func date(
    _ operation: String, _ constraint: Document, _ path: String, _ flag: inout ForeignFlag
  ) -> Condition {
    guard let text = constraint["value"]?.scalarText, let limit = Instant(rfc3339: text) else {
      return flag.unknown("its date is none with a time and an offset", path, constraint)
    }
    flag.lose(.other, "it looks at the time; the plan keeps what holds now", path, constraint)
    let holds =
      operation == "DATE_AFTER"
      ? time.milliseconds > limit.milliseconds : time.milliseconds < limit.milliseconds
    return holds ? .always : .never
  }
}

/// Without spaces around it.
func trimmed(_ text: some StringProtocol) -> String {
  var rest = text[...]
  while rest.first?.isWhitespace == true { rest.removeFirst() }
  while rest.last?.isWhitespace == true { rest.removeLast() }
  return String(rest)
}

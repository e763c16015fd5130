import DocumentKit
import RolloutEvaluation

/// GO Feature Flag's queries, such as `(key ew "@test.com") and (role eq "dev")`.
///
/// Source: nikunjy/rules parser/JsonQuery.g4. `and` and `or` bind alike, from left to right; text
/// is compared without regard to the case of letters, except by `in`.
struct GOFFQuery {
  let userNames: Set<String>

  /// Bytes; what is longer is written by a program.
  private static let sizeMax = 16_384
  private static let depthMax = 32

  private enum Token: Equatable {
    case open, close
    case word(String)
    /// A constant, as JSON.
    case value(Document)
  }

  private struct Malformed: Error {}

  func condition(
    _ query: String, _ path: String, _ position: Document, _ flag: inout ForeignFlag
  ) -> Condition {
    do throws(Malformed) {
      guard query.utf8.count <= Self.sizeMax else { throw Malformed() }
      var tokens = try Self.tokens(query)[...]
      let found = try expression(&tokens, path, position, &flag, depth: 0)
      guard tokens.isEmpty else { throw Malformed() }
      return found
    } catch {
      return flag.unknown("the query \(quoted(query)) cannot be read", path, position)
    }
  }

  // MARK: Words

  private static func tokens(_ query: String) throws(Malformed) -> [Token] {
    var tokens: [Token] = []
    var rest = Array(query.unicodeScalars)[...]
    while let first = rest.first {
      switch first {
      case " ", "\n", "\t", "\r": rest.removeFirst()
      case "(":
        tokens.append(.open)
        rest.removeFirst()
      case ")":
        tokens.append(.close)
        rest.removeFirst()
      case "\"", "[": tokens.append(.value(try constant(&rest)))
      default:
        let end = rest.firstIndex { " \n\t\r()".unicodeScalars.contains($0) } ?? rest.endIndex
        let word = String(String.UnicodeScalarView(rest[..<end]))
        rest = rest[end...]
        tokens.append(Self.scalar(word).map { .value($0) } ?? .word(word))
      }
    }
    return tokens
  }

  /// A number, a boolean or null.
  private static func scalar(_ word: String) -> Document? {
    guard let document = try? JSONReader.read(Array(word.utf8)), document.array == nil,
      document.members == nil
    else { return nil }
    return document
  }

  /// A text in quotes, or a list in brackets.
  private static func constant(
    _ rest: inout ArraySlice<Unicode.Scalar>
  ) throws(Malformed) -> Document {
    var isInText = false
    var isEscaped = false
    var end = rest.startIndex
    let closing: Unicode.Scalar = rest.first == "[" ? "]" : "\""
    for index in rest.indices {
      let scalar = rest[index]
      end = index + 1
      if isEscaped {
        isEscaped = false
      } else if scalar == "\\" {
        isEscaped = true
      } else if scalar == "\"" {
        isInText.toggle()
      }
      if !isInText, scalar == closing, !isEscaped { break }
    }
    let text = String(String.UnicodeScalarView(rest[..<end]))
    rest = rest[end...]
    guard let document = try? JSONReader.read(Array(text.utf8)) else { throw Malformed() }
    return document
  }

  // MARK: Sentences

  private func expression(
    _ tokens: inout ArraySlice<Token>, _ path: String, _ position: Document,
    _ flag: inout ForeignFlag, depth: Int
  ) throws(Malformed) -> Condition {
    guard depth < Self.depthMax else { throw Malformed() }
    var found = try operand(&tokens, path, position, &flag, depth: depth)
    while case .word(let word) = tokens.first, word == "and" || word == "or" {
      tokens.removeFirst()
      let next = try operand(&tokens, path, position, &flag, depth: depth)
      found = word == "and" ? .all([found, next]) : .any([found, next])
    }
    return found
  }

  private func operand(
    _ tokens: inout ArraySlice<Token>, _ path: String, _ position: Document,
    _ flag: inout ForeignFlag, depth: Int
  ) throws(Malformed) -> Condition {
    guard let first = tokens.popFirst() else { throw Malformed() }
    if first == .open {
      let inner = try expression(&tokens, path, position, &flag, depth: depth + 1)
      guard tokens.popFirst() == .close else { throw Malformed() }
      return inner
    }
    guard case .word(let name) = first else { throw Malformed() }
    if name == "not" || name == "NOT", tokens.first == .open {
      return .not(try operand(&tokens, path, position, &flag, depth: depth + 1))
    }
    guard case .word(let operation) = tokens.popFirst() else { throw Malformed() }
    if operation == "pr" { return .attribute(name, .exists(true)) }
    guard case .value(let value) = tokens.popFirst() else { throw Malformed() }
    return comparison(name, operation, value, path, position, &flag)
  }

  private func comparison(
    _ name: String, _ operation: String, _ value: Document, _ path: String,
    _ position: Document, _ flag: inout ForeignFlag
  ) -> Condition {
    let isUser = userNames.contains(name)
    guard isUser || !name.contains(".") else {
      return flag.unknown("a rule cannot look into the attribute \(quoted(name))", path, position)
    }
    switch operation.lowercased() {
    case "eq", "==":
      return isIn(name, spelt(value, path, position, &flag), path, position, &flag)
    case "in": return isIn(name, value, path, position, &flag)
    case "ne", "!=":
      let other = isIn(name, spelt(value, path, position, &flag), path, position, &flag)
      // An absent attribute differs from nothing there.
      guard case .attribute(_, .isIn(let values)) = other else { return .not(other) }
      return .attribute(name, .isNotIn(values))
    case "sw", "ew", "co":
      guard !isUser, let text = value.string, !text.isEmpty else {
        return flag.unknown(
          isUser
            ? "a rule cannot look into the user's id; lists of ids can be kept"
            : "\(operation) is kept for text only", path, position)
      }
      let parts = spelt(value, path, position, &flag).array?.compactMap(\.string) ?? [text]
      let conditions: [String: Rule.Condition] = [
        "sw": .startsWith(parts), "ew": .endsWith(parts), "co": .contains(parts),
      ]
      return conditions[operation.lowercased()].map { .attribute(name, $0) } ?? .never
    default: return order(name, operation, value, path, position, &flag)
    }
  }

  private func order(
    _ name: String, _ operation: String, _ value: Document, _ path: String,
    _ position: Document, _ flag: inout ForeignFlag
  ) -> Condition {
    guard let limit = Literals.number(value), !userNames.contains(name) else {
      return flag.unknown(
        "\(quoted(operation)) is kept for numbers only", path, position)
    }
    switch operation.lowercased() {
    case "gt", ">": return .attribute(name, .greaterThan(limit))
    case "ge", ">=": return .attribute(name, .atLeast(limit))
    case "lt", "<": return .attribute(name, .lessThan(limit))
    case "le", "<=": return .attribute(name, .atMost(limit))
    default:
      return flag.unknown("the operator \(quoted(operation)) has no counterpart", path, position)
    }
  }

  /// A list of one constant; of the spellings of a text, since its case does not matter there.
  private func spelt(
    _ value: Document, _ path: String, _ position: Document, _ flag: inout ForeignFlag
  ) -> Document {
    guard let text = value.string else { return .array([value]) }
    let spellings = Condition.spellings(text)
    if spellings.count > 1 {
      flag.lose(
        .people,
        "the case of letters does not matter there; the plan knows the usual spellings of "
          + quoted(text), path, position)
    }
    return .array(spellings.map { .string($0) })
  }

  private func isIn(
    _ name: String, _ list: Document, _ path: String, _ position: Document,
    _ flag: inout ForeignFlag
  ) -> Condition {
    if userNames.contains(name), let users = Literals.users(list) { return .users(users) }
    guard !userNames.contains(name), let values = Literals.values(list) else {
      return flag.unknown(
        "only text, numbers and booleans can be compared with", path, position)
    }
    return .attribute(name, .isIn(values))
  }
}

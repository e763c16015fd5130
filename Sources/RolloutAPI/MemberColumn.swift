import DocumentKit

/// Which column of a table holds the user ids, and whether its first line names the columns.
struct MemberColumn {
  var index: Int
  var hasHeader: Bool

  /// Names that leave no doubt, before those that may be one of several.
  private static let certain = ["user", "user_id", "userid"]
  private static let likely = ["id", "email", "e_mail", "email_address", "uid", "targetingkey"]
  static let known = "user, user_id, id or email"
  static let advice = "Say which one holds the ids: --column NAME (?column=NAME)."

  /// Whether a column so called holds ids.
  static func isKnown(_ name: Substring) -> Bool {
    (certain + likely).contains(normal(String(name)))
  }

  init(
    _ first: TableReader.Record, next: [String]?, _ options: MemberFile.Options
  ) throws(MemberFile.Unreadable) {
    let fields = first.fields
    if options.hasHeader != false,
      let found = try Self.find(fields, options.column, line: first.line)
    {
      index = found
      hasHeader = true
      return
    }
    index = 0
    hasHeader = false
    if options.hasHeader == false {
      guard let name = options.column else { return }
      // Columns without names are counted.
      guard let number = Int(name), (1...fields.count).contains(number) else {
        throw .init(
          line: 0,
          message: "Without a header a column is a number from 1 to \(fields.count), not "
            + "\(quoted(name)).")
      }
      index = number - 1
      return
    }
    guard fields.count == 1 else {
      throw .init(
        line: first.line,
        message: "No column is called \(Self.known), of \(Self.list(fields)). \(Self.advice) "
          + "If this line is no header: --no-header (?header=false), which takes the first column.")
    }
    if options.hasHeader == true {
      hasHeader = true
    } else if Self.looksLikeName(fields[0], next?.first) {
      throw .init(
        line: first.line,
        message: "\(quoted(fields[0])) may be the name of the column or an id. "
          + "--column \(quoted(fields[0])) (?column=) takes it for a name, --no-header "
          + "(?header=false) for an id.")
    }
  }

  /// The column that is asked for, or the one that a known name points to; nil when none does.
  /// Throws when two may be meant, or when the one asked for is not there.
  static func find(
    _ names: [String], _ wanted: String?, line: Int
  ) throws(MemberFile.Unreadable) -> Int? {
    let plain = names.map(normal)
    if let wanted {
      guard let index = names.firstIndex(of: wanted) ?? plain.firstIndex(of: normal(wanted)) else {
        throw .init(line: line, message: "There is no column \(quoted(wanted)), of \(list(names)).")
      }
      return index
    }
    for group in [certain, likely] {
      let found = plain.indices.filter { group.contains(plain[$0]) }
      if found.count > 1 {
        throw .init(
          line: line,
          message: "\(list(found.map { names[$0] })) may both hold the ids. \(advice)")
      }
      if let index = found.first { return index }
    }
    return nil
  }

  /// `User ID`, `user-id` and `userId` are `user_id`.
  private static func normal(_ name: String) -> String {
    var out = ""
    for character in name where !character.isWhitespace || !out.isEmpty {
      if character == "-" || character == "." || character.isWhitespace {
        out += "_"
      } else {
        out += character.lowercased()
      }
    }
    while out.last == "_" { out.removeLast() }
    return out
  }

  static func list(_ names: [String]) -> String {
    let shown = names.prefix(12).map(quoted).joined(separator: ", ")
    return names.count > 12 ? "\(shown) and \(names.count - 12) more" : shown
  }

  private static func isHeading(_ text: String) -> Bool {
    !text.contains("@") && !text.contains(where: \.isNumber)
      && normal(text).split(separator: "_").contains(where: headings.contains)
  }

  /// Whether the only value of a first line is more like a heading than like the value below it.
  private static func looksLikeName(_ first: String, _ next: String?) -> Bool {
    if isHeading(first), !(next.map(isHeading) ?? false) { return true }
    guard let next else { return false }
    // A word above addresses, or above numbers.
    func isNumeric(_ text: String) -> Bool { !text.isEmpty && text.allSatisfy(\.isNumber) }
    return next.contains("@") && !first.contains("@")
      || isNumeric(next) && !first.contains(where: \.isNumber)
  }
}

private let headings: Set<Substring> = [
  "user", "users", "id", "ids", "email", "emails", "mail", "name", "username", "login",
  "customer", "customers", "account", "accounts", "member", "members", "contact", "person",
]

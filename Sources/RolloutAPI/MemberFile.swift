import DocumentKit
import RolloutCore
import RolloutEvaluation

/// Reads the user ids of a file that people export from elsewhere: a list, a table with commas,
/// semicolons or tabs, or JSON. What it cannot be sure of it refuses, saying what it found: a wrong
/// member is worse than a question.
package struct MemberFile: Sendable {
  package enum Form: Sendable {
    /// Lines of text: one id each, or a table (RFC 4180, any of the three separators).
    case table
    /// JSON values one after the other, a line each, or one list of them, by itself or as the
    /// `members` that `rollout cohort list --output json` prints.
    case json
  }

  /// What the reader is told instead of finding it out.
  package struct Options: Sendable {
    /// The name of the column or member that holds the ids.
    package var column: String?
    /// Whether the first line names the columns; nil finds out.
    package var hasHeader: Bool?

    package init(column: String? = nil, hasHeader: Bool? = nil) {
      self.column = column
      self.hasHeader = hasHeader
    }
  }

  /// Why a file was not read; the lines count from 1, and 0 is the file as a whole.
  package struct Unreadable: Error, Sendable, Equatable {
    package var line: Int
    package var message: String

    package var text: String { line == 0 ? message : "Line \(line): \(message)" }
  }

  /// Each once, in the file's order.
  package private(set) var users: [String] = []
  /// Ids that stood more than once, after the first time.
  package private(set) var duplicates = 0
  /// Lines without an id.
  package private(set) var empty = 0
  private var seen: Set<String> = []

  package init(_ bytes: [UInt8], _ form: Form, _ options: Options = Options())
    throws(Unreadable)
  {
    let text = try Self.text(bytes)
    switch form {
    case .table: try readTable(text, options)
    case .json: try readJSON(text, options)
    }
    seen = []
  }

  /// Without the byte order mark that spreadsheets write.
  static func text(_ bytes: [UInt8]) throws(Unreadable) -> ArraySlice<UInt8> {
    // With its mark, or by the zeros of its first letters.
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
      || bytes.prefix(64).contains(0)
    {
      throw Unreadable(line: 0, message: "The file is UTF-16; save it as UTF-8.")
    }
    if let bad = firstInvalidUTF8(in: bytes) {
      let line = bytes[..<bad].count { $0 == 0x0A } + 1
      throw Unreadable(line: line, message: "This is not UTF-8; save the file as UTF-8.")
    }
    return bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
  }

  private mutating func take(_ written: String, line: Int) throws(Unreadable) {
    let user = written.trimmed
    guard !user.isEmpty else {
      empty += 1
      return
    }
    guard user.utf8.count <= UserID.lengthMax else {
      throw Unreadable(
        line: line,
        message: "\(quoted(user)) is longer than a user id may be (\(UserID.lengthMax) bytes).")
    }
    guard !user.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
      throw Unreadable(
        line: line, message: "The id \(quoted(user)) holds a line break or control character.")
    }
    guard seen.insert(user).inserted else {
      duplicates += 1
      return
    }
    users.append(user)
  }

  // MARK: Tables

  private mutating func readTable(
    _ text: ArraySlice<UInt8>, _ options: Options
  ) throws(Unreadable) {
    let separator = Self.separator(text)
    var reader = TableReader(text, separator: separator)
    guard let first = try reader.next() else { return }
    if options.hasHeader == nil { try Self.checkForm(first) }
    let second = try reader.next()
    let column = try MemberColumn(first, next: second?.fields, options)
    if !column.hasHeader { try take(first.fields[column.index], line: first.line) }
    var record = second
    while let row = record {
      guard row.fields.count == first.fields.count else {
        throw Unreadable(
          line: row.line,
          message: "\(row.fields.count) columns here, \(first.fields.count) in the first line. "
            + "A value that holds the separator must stand in double quotes.")
      }
      try take(row.fields[column.index], line: row.line)
      record = try reader.next()
    }
  }

  /// What begins as lists, comments and tables of other forms do is not read as ids, unless it is
  /// said whether there is a header.
  private static func checkForm(_ first: TableReader.Record) throws(Unreadable) {
    guard let start = first.fields.first else { return }
    let isOther = ["- ", "# ", "---"].contains { start.hasPrefix($0) }
    // Ids may hold bars (`auth0|5f7c`); names of columns do not.
    let isBarred = start.contains("|") && MemberColumn.isKnown(start.prefix { $0 != "|" })
    guard isOther || isBarred else { return }
    throw Unreadable(
      line: first.line,
      message: "\(quoted(start)) begins like a comment, a YAML list or a table with bars: send "
        + "one id on each line, a table with commas, semicolons or tabs, or JSON. If it is an id: "
        + "--no-header (?header=false).")
  }

  /// The separator that stands most often in the first line, outside quotes.
  static func separator(_ text: ArraySlice<UInt8>) -> UInt8 {
    var counts: [UInt8: Int] = [:]
    var isQuoted = false
    for byte in text {
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      if !isQuoted, byte == 0x0A || byte == 0x0D {
        if counts.isEmpty { continue }
        break
      }
      if !isQuoted { counts[byte, default: 0] += 1 }
    }
    let candidates = [UInt8(ascii: ","), UInt8(ascii: ";"), 0x09]
    return candidates.max { counts[$0] ?? 0 < counts[$1] ?? 0 } ?? candidates[0]
  }

  // MARK: JSON

  private mutating func readJSON(
    _ text: ArraySlice<UInt8>, _ options: Options
  ) throws(Unreadable) {
    let start = text.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
    if start == UInt8(ascii: "[") || start == UInt8(ascii: "{"),
      let whole = try? JSONReader.read(Array(text)),
      let list = whole.array ?? whole["members"]?.array
    {
      for element in list {
        let line = element.position.line
        try take(try id(element, options, line), line: line)
      }
      return
    }
    for (index, line) in text.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
    where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
      let document: Document
      do throws(DocumentError) { document = try JSONReader.read(Array(line)) } catch {
        throw Unreadable(line: index + 1, message: "This is not JSON: \(error.message)")
      }
      try take(try id(document, options, index + 1), line: index + 1)
    }
  }

  private func id(
    _ document: Document, _ options: Options, _ line: Int
  ) throws(Unreadable) -> String {
    func scalar(_ value: Document) -> String? {
      switch value.value {
      case .string(let text): text
      // As written: an id of 64 bits must not be rounded.
      case .number(let text): text
      case .null: ""
      case .bool, .array, .object: nil
      }
    }
    guard let members = document.members else {
      if let id = scalar(document) { return id }
      throw Unreadable(line: line, message: "Expected an id, found \(document.kind).")
    }
    let index = try MemberColumn.find(members.map(\.key), options.column, line: line)
    guard let index else {
      throw Unreadable(
        line: line,
        message:
          "No member is called \(MemberColumn.known), of \(MemberColumn.list(members.map(\.key))). "
          + MemberColumn.advice)
    }
    guard let id = scalar(members[index].value) else {
      throw Unreadable(
        line: line,
        message: "Expected an id in \(quoted(members[index].key)), found "
          + "\(members[index].value.kind).")
    }
    return id
  }
}

extension String {
  /// Without blanks at its ends, also those that nobody sees.
  fileprivate var trimmed: String {
    func isBlank(_ scalar: Unicode.Scalar) -> Bool {
      scalar.properties.isWhitespace && scalar.properties.generalCategory != .control
        || [0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF].contains(scalar.value)
    }
    guard let first = unicodeScalars.first, let last = unicodeScalars.last,
      isBlank(first) || isBlank(last)
    else { return self }
    let start = unicodeScalars.drop(while: isBlank)
    let end = start.lastIndex { !isBlank($0) }.map { start.index(after: $0) } ?? start.startIndex
    return String(start[..<end])
  }
}

package import DocumentKit

/// Reads users with what is known of them: a table whose other columns are attributes, a list of
/// ids, or JSON objects, a line each.
package struct UserFile: Sendable {
  package struct User: Sendable {
    package var id: String
    /// As the plan's rules see them; an empty cell is none.
    package var attributes: [Document.Member]
  }

  /// In the file's order, each line for itself.
  package private(set) var users: [User] = []

  /// Refuses what it cannot be sure of, as a file of members.
  package init(
    _ bytes: [UInt8], _ form: MemberFile.Form, _ options: MemberFile.Options
  ) throws(MemberFile.Unreadable) {
    let text = try MemberFile.text(bytes)
    switch form {
    case .table: try readTable(text, options)
    case .json: try readJSON(text, options)
    }
  }

  private mutating func readTable(
    _ text: ArraySlice<UInt8>, _ options: MemberFile.Options
  ) throws(MemberFile.Unreadable) {
    var reader = TableReader(text, separator: MemberFile.separator(text))
    guard let first = try reader.next() else { return }
    let second = try reader.next()
    let column = try MemberColumn(first, next: second?.fields, options)
    func take(_ row: TableReader.Record) throws(MemberFile.Unreadable) {
      guard row.fields.count == first.fields.count else {
        throw .init(
          line: row.line,
          message: "\(row.fields.count) columns here, \(first.fields.count) in the first line.")
      }
      guard !row.fields[column.index].isEmpty else { return }
      var attributes: [Document.Member] = []
      for (index, value) in row.fields.enumerated()
      where column.hasHeader && index != column.index && !value.isEmpty {
        attributes.append(.init(key: first.fields[index], value: .string(value)))
      }
      users.append(User(id: row.fields[column.index], attributes: attributes))
    }
    if !column.hasHeader { try take(first) }
    var record = second
    while let row = record {
      try take(row)
      record = try reader.next()
    }
  }

  private mutating func readJSON(
    _ text: ArraySlice<UInt8>, _ options: MemberFile.Options
  ) throws(MemberFile.Unreadable) {
    for (index, line) in text.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
    where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
      let document: Document
      do throws(DocumentError) { document = try JSONReader.read(Array(line)) } catch {
        throw .init(line: index + 1, message: "This is not JSON: \(error.message)")
      }
      if let id = document.string {
        users.append(User(id: id, attributes: []))
        continue
      }
      guard let members = document.members,
        let place = try MemberColumn.find(members.map(\.key), options.column, line: index + 1),
        let id = members[place].value.string
      else {
        throw .init(
          line: index + 1, message: "Expected an id, or an object with \(MemberColumn.known).")
      }
      var rest = members.enumerated().filter { $0.offset != place }.map(\.element)
      if let nested = document["attributes"]?.members {
        rest = rest.filter { $0.key != "attributes" } + nested
      }
      users.append(User(id: id, attributes: rest))
    }
  }
}

import DocumentKit

/// Takes a table apart, record by record (RFC 4180): quoted values may hold separators, doubled
/// quotes and line breaks; lines end with any of the three line ends; empty lines do not count.
struct TableReader {
  struct Record {
    /// Where it begins.
    var line: Int
    var fields: [String]
  }

  private let bytes: ArraySlice<UInt8>
  private let separator: UInt8
  private var index: Int
  private var line = 1

  init(_ bytes: ArraySlice<UInt8>, separator: UInt8) {
    self.bytes = bytes
    self.separator = separator
    index = bytes.startIndex
  }

  mutating func next() throws(MemberFile.Unreadable) -> Record? {
    while index < bytes.endIndex {
      let start = line
      var fields = [try field()]
      while index < bytes.endIndex, bytes[index] == separator {
        index += 1
        fields.append(try field())
      }
      endLine()
      if fields != [""] { return Record(line: start, fields: fields) }
    }
    return nil
  }

  private func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

  private mutating func endLine() {
    guard index < bytes.endIndex else { return }
    if bytes[index] == 0x0D, index + 1 < bytes.endIndex, bytes[index + 1] == 0x0A { index += 1 }
    index += 1
    line += 1
  }

  private mutating func field() throws(MemberFile.Unreadable) -> String {
    while index < bytes.endIndex, bytes[index] == 0x20 { index += 1 }
    if index < bytes.endIndex, bytes[index] == UInt8(ascii: "\"") { return try quotedField() }
    let start = index
    while index < bytes.endIndex, bytes[index] != separator, !isLineEnd(bytes[index]) { index += 1 }
    var text = bytes[start..<index]
    while let last = text.last, last == 0x20 || last == 0x09 { text.removeLast() }
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func quotedField() throws(MemberFile.Unreadable) -> String {
    let opened = line
    index += 1
    var text: [UInt8] = []
    while index < bytes.endIndex {
      let byte = bytes[index]
      index += 1
      if byte != UInt8(ascii: "\"") {
        if byte == 0x0A { line += 1 }
        text.append(byte)
      } else if index < bytes.endIndex, bytes[index] == byte {
        text.append(byte)
        index += 1
      } else {
        while index < bytes.endIndex, bytes[index] == 0x20 { index += 1 }
        guard index == bytes.endIndex || bytes[index] == separator || isLineEnd(bytes[index]) else {
          throw .init(
            line: line,
            message: "Text follows a closing quote; a quote within a value is written twice.")
        }
        return String(decoding: text, as: UTF8.self)
      }
    }
    throw .init(line: opened, message: "A quote that opens here is never closed.")
  }
}

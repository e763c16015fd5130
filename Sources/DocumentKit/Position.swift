/// A place in a source text. Lines and columns count from 1; columns count Unicode scalars.
package struct Position: Sendable, Equatable, CustomStringConvertible {
  package var line: Int
  package var column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  /// For values made by the program, which stand in no text.
  package static let unknown = Position(line: 0, column: 0)

  package var description: String { "\(line):\(column)" }
}

extension Position {
  /// Of the byte at `offset` of a text that is UTF-8 up to there. O(offset).
  package init(ofByte offset: Int, in bytes: [UInt8]) {
    self.init(line: 1, column: 1)
    for byte in bytes[plainStart(of: bytes)...].prefix(max(0, offset - plainStart(of: bytes))) {
      if byte == UInt8(ascii: "\n") {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
  }
}

/// Where a text begins: behind the byte order mark that some editors write before UTF-8.
package func plainStart(of bytes: [UInt8]) -> Int {
  bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
}

/// A text that could not be read: where, and what to do about it.
package struct DocumentError: Error, Sendable, Equatable, CustomStringConvertible {
  package var message: String
  package var position: Position
  /// Where in the structure, such as `stages[1].percent`; empty for the whole document.
  package var path: String

  package init(_ message: String, at position: Position, path: String = "") {
    self.message = message
    self.position = position
    self.path = path
  }

  /// `3:14: stages[1].percent: …`; the place is left out where it is unknown.
  package var description: String {
    let place = position == .unknown ? "" : "\(position): "
    return place + (path.isEmpty ? message : "\(path): \(message)")
  }
}

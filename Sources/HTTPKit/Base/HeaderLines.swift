/// The fields of a message as they came, `name: value` and CRLF each; read only when one is asked
/// for.
package struct HeaderLines: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package init(_ view: ByteView) { bytes = view.array }

  /// Names and values of ours. What holds a control character is left out.
  package init(_ fields: [(name: String, value: String)]) {
    for (name, value) in fields {
      let isClean = (name.utf8.allSatisfy { $0 > 0x20 } && value.utf8.allSatisfy { $0 >= 0x20 })
      if isClean { append(Array("\(name): \(value)\r\n".utf8)) }
    }
  }

  /// Adds whole lines.
  mutating func append(_ line: some Collection<UInt8>) { bytes += line }

  /// The value of the first field of this name (lower case), trimmed; nil when there is none.
  /// O(bytes).
  package subscript(_ name: StaticString) -> String? {
    bytes.withUnsafeBufferPointer { buffer in
      var lines = Lines(ByteView(buffer))
      while let line = lines.next() {
        if line.name.equalsIgnoringCase(name) { return line.value.string }
      }
      return nil
    }
  }

  /// Whether a name begins so (lower case).
  package func hasName(beginning prefix: StaticString) -> Bool {
    bytes.withUnsafeBufferPointer { buffer in
      var lines = Lines(ByteView(buffer))
      let count = prefix.utf8CodeUnitCount
      while let line = lines.next() {
        if line.name.count >= count, line.name[0..<count].equalsIgnoringCase(prefix) { return true }
      }
      return false
    }
  }

  /// Every field in order, names in lower case, values trimmed and decoded as UTF-8.
  package var all: [(name: String, value: String)] {
    bytes.withUnsafeBufferPointer { buffer in
      var lines = Lines(ByteView(buffer))
      var all: [(name: String, value: String)] = []
      while let line = lines.next() {
        all.append((line.name.string.lowercased(), line.value.string))
      }
      return all
    }
  }

  /// Walks the lines; those without a colon are passed over.
  private struct Lines {
    private let bytes: ByteView
    private var index = 0

    init(_ bytes: ByteView) { self.bytes = bytes }

    mutating func next() -> (name: ByteView, value: ByteView)? {
      while index < bytes.count {
        let start = index
        let end = bytes.firstIndex(of: 0x0A, from: start) ?? bytes.count
        index = end + 1
        let line = bytes[start..<end]
        guard let colon = line.firstIndex(of: UInt8(ascii: ":"), from: 0) else { continue }
        let last = line.count > 0 && line[line.count - 1] == 0x0D ? line.count - 1 : line.count
        return (line[0..<colon].trimmed, line[min(colon + 1, last)..<last].trimmed)
      }
      return nil
    }
  }
}

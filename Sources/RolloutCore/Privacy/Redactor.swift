import DocumentKit

/// Takes out of a text what belongs to a person or opens a door: addresses, numbers, keys.
///
/// Errs towards taking too much. What it cannot know (names, places, a password without a word that
/// says so) stays; patterns of one's own can be added. One pass over the decoded text, in work that
/// grows with its length and no faster; what is longer or takes more is cut.
package struct Redactor: Sendable {
  /// Bytes that are kept of a text; the rest is cut before anything else.
  package static let lengthMax = 64 * 1024
  /// Stands where a text was cut.
  package static let cut = "[cut]"
  /// Steps for each byte, beyond which the rest is cut: no text takes a tenth of it.
  static let stepsPerByteMax = 2000

  /// A pattern of one's own that cannot be read.
  package struct BadPattern: Error, Sendable, Equatable {
    package var pattern: String
    package var reason: String
  }

  private let own: [LinearPattern]

  /// `patterns` are regular expressions as `LinearPattern` knows them. Throws `BadPattern`.
  package init(_ patterns: [String] = []) throws(BadPattern) {
    var own: [LinearPattern] = []
    for pattern in patterns { own.append(try LinearPattern(pattern)) }
    self.own = own
  }

  /// The text with `[email]`, `[key]` and the like in place of what was found.
  package func redacted(_ text: String) -> String {
    var room = Self.lengthMax
    return redacted(text, &room).text
  }

  /// How much work a text takes, for tests of its growth.
  package func steps(_ text: String) -> Int {
    var room = Self.lengthMax
    return redacted(text, &room).steps
  }

  /// The same of every text in a JSON value, as JSON. What a value's own name says counts too.
  /// Together the texts have as much room as one.
  package func redacted(json bytes: [UInt8]) -> String {
    guard let document = try? JSONReader.read(bytes) else { return redacted(text(bytes)) }
    var room = Self.lengthMax
    return redacted(document, &room).jsonText
  }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  private func redacted(_ document: Document, _ room: inout Int) -> Document {
    switch document.value {
    case .null, .bool: return document
    case .number(let number):
      let shown = redacted(number, &room).text
      return shown == number ? document : .string(shown)
    case .string(let text): return .string(isFile(text) ? "[file]" : redacted(text, &room).text)
    case .array(let elements):
      var kept: [Document] = []
      for element in elements {
        guard room > 0 else {
          kept.append(.string(Self.cut))
          break
        }
        kept.append(redacted(element, &room))
      }
      return .array(kept)
    case .object(let members):
      var kept: [Document.Member] = []
      for member in members {
        let key = redacted(member.key, &room).text
        let hidden = hidden(member.value, called: member.key)
        kept.append(.init(key: key, value: hidden ?? redacted(member.value, &room)))
      }
      return Document(.object(kept))
    }
  }

  /// `[key]` in place of every text and number of a value whose name says that it is a secret; nil
  /// for others. A list or an object of them may have the plural.
  private func hidden(_ value: Document, called name: String) -> Document? {
    guard SecretName.isSecret(name) || value.scalarText == nil && SecretName.isPlural(name) else {
      return nil
    }
    return hidden(value)
  }

  private func hidden(_ value: Document) -> Document {
    switch value.value {
    case .null, .bool: return value
    case .number, .string: return .string("[key]")
    case .array(let elements): return .array(elements.map(hidden))
    case .object(let members):
      return Document(
        .object(members.map { Document.Member(key: $0.key, value: hidden($0.value)) }))
    }
  }

  /// Pictures and the like, sent along as text: nobody can say what is in them.
  private func isFile(_ text: String) -> Bool {
    if text.hasPrefix("data:") { return true }
    guard text.utf8.count > 1024 else { return false }
    return text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "<") }
  }

  /// With the steps it took; `room` is what is left of the bytes that may be kept.
  private func redacted(_ text: String, _ room: inout Int) -> (text: String, steps: Int) {
    var bytes = Array(text.utf8.prefix(max(0, room)))
    let isCut = bytes.count < text.utf8.count
    // Not inside a character.
    if isCut, let start = bytes.lastIndex(where: { $0 & 0xC0 != 0x80 }) {
      bytes.removeSubrange(start...)
    }
    room -= bytes.count
    let stepsMax = (bytes.count + 64) * Self.stepsPerByteMax
    var scan = RedactionScan(bytes, stepsMax: stepsMax)
    scan.run()
    // What was not looked at is not kept.
    guard !scan.isSpent else { return (Self.cut, scan.steps) }
    var spans = scan.spans
    var steps = scan.steps
    for pattern in own {
      guard let found = pattern.spans(bytes, stepsMax: stepsMax, &steps) else {
        return (Self.cut, steps)
      }
      spans += found
    }
    let shown = Self.replace(bytes, spans)
    return (isCut ? shown + Self.cut : shown, steps)
  }

  /// Overlapping findings become the first of them.
  private static func replace(_ bytes: [UInt8], _ spans: [RedactionScan.Span]) -> String {
    var out: [UInt8] = []
    var position = 0
    for span in spans.sorted(by: { ($0.start, $1.end) < ($1.start, $0.end) }) {
      guard span.end > position else { continue }
      if span.start >= position {
        out += bytes[position..<span.start]
        out += Array("[\(span.name)]".utf8)
      }
      position = span.end
    }
    out += bytes[position...]
    return String(decoding: out, as: UTF8.self)
  }
}

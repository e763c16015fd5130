import DocumentKit

/// A message of this program. What comes from elsewhere and is put into it (names of files,
/// arguments, variables, answers) stands on one line, whatever is in it: only line breaks that are
/// written in this program break lines, so that nobody forges one.
struct OwnWords: ExpressibleByStringInterpolation {
  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) {}

    mutating func appendLiteral(_ literal: String) { text += literal }
    mutating func appendInterpolation(_ words: OwnWords) { text += words.text }
    mutating func appendInterpolation<Value>(_ value: Value) { text += "\(value)".onOneLine }
  }

  let text: String

  init(stringLiteral text: String) { self.text = text }
  init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

  /// Each of them is one line.
  init(lines: [String]) { text = lines.map(\.onOneLine).joined(separator: "\n") }

  static func + (a: OwnWords, b: OwnWords) -> OwnWords { OwnWords(own: a.text + b.text) }
  private init(own text: String) { self.text = text }
}

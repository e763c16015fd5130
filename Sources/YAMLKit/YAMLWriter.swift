package import DocumentKit

/// Writes a document as YAML that `YAMLReader`, and readers of YAML 1.1, read back the same. The
/// same document is the same bytes.
package enum YAMLWriter {
  package static func text(_ document: Document) -> String {
    if let scalar = scalar(document) { return scalar + "\n" }
    return block(document, 0)
  }

  /// What stands on one line: a scalar, and what is empty. nil for the rest.
  private static func scalar(_ document: Document) -> String? {
    switch document.value {
    case .null: "null"
    case .bool(let flag): flag ? "true" : "false"
    case .number(let text): text
    case .string(let text): isPlain(text) ? text : quoted(text)
    case .array(let elements): elements.isEmpty ? "[]" : nil
    case .object(let members): members.isEmpty ? "{}" : nil
    }
  }

  private static func block(_ document: Document, _ indent: Int) -> String {
    let margin = String(repeating: " ", count: indent)
    switch document.value {
    case .object(let members):
      return members.map { member in
        let key = isPlain(member.key) ? member.key : quoted(member.key)
        let value =
          scalar(member.value).map { " \($0)\n" } ?? "\n" + block(member.value, indent + 2)
        return "\(margin)\(key):\(value)"
      }.joined()
    case .array(let elements):
      // What an element begins with stands beside its dash.
      return elements.map { element in
        let value =
          scalar(element).map { "\($0)\n" }
          ?? String(block(element, indent + 2).dropFirst(indent + 2))
        return "\(margin)- \(value)"
      }.joined()
    case .null, .bool, .number, .string: return ""
    }
  }

  /// Words that some reader takes for something else than text.
  private static let reserved: Set<String> = [
    "true", "false", "null", "yes", "no", "on", "off", "y", "n",
  ]

  /// Whether every reader takes it for this text without quotes.
  private static func isPlain(_ text: String) -> Bool {
    guard !reserved.contains(text.lowercased()) else { return false }
    // A quantity with its unit is no number anywhere.
    if text.wholeMatch(of: #/\$?[0-9]+(\.[0-9]+)?|[0-9]+(\.[0-9]+)?(%|ms|s|m|h|d)/#) != nil {
      return !(text.last ?? "0").isNumber || text.first == "$"
    }
    return text.wholeMatch(of: #/[A-Za-z_]([A-Za-z0-9_.\/@,%$ -]*[A-Za-z0-9_.\/@%$-])?/#) != nil
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case "\r": out += "\\r"
      // Breaks of lines, and what a reader refuses as it is.
      case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}"..."\u{2029}", "\u{FEFF}",
        "\u{FFFE}"..."\u{FFFF}":
        let hex = String(scalar.value, radix: 16, uppercase: true)
        out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}

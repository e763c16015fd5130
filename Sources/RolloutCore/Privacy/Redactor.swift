/// Takes out of a text what belongs to a person or opens a door: addresses, numbers, keys.
///
/// Errs towards taking too much. What it cannot know (names, places) stays; patterns of one's own
/// can be added.
package struct Redactor: Sendable {
  /// Characters that are kept of a text; the rest is cut before anything else.
  package static let lengthMax = 64 * 1024

  /// A pattern of one's own that cannot be read.
  package struct BadPattern: Error, Sendable, Equatable {
    package var pattern: String
  }

  private let own: [String]

  /// `patterns` are regular expressions in Swift's (Perl-like) syntax. Throws `BadPattern`.
  package init(_ patterns: [String] = []) throws(BadPattern) {
    for pattern in patterns {
      guard (try? Regex(pattern)) != nil else { throw BadPattern(pattern: pattern) }
    }
    own = patterns
  }

  /// The text with `[email]`, `[key]` and the like in place of what was found. O(length ×
  /// patterns).
  package func redacted(_ text: String) -> String {
    var text = String(text.prefix(Self.lengthMax))
    for (name, pattern) in Self.known + own.map({ ("redacted", $0) }) {
      guard let expression = try? Regex(pattern) else { continue }
      text.replace(expression) { match in
        let found = match.output[0].substring ?? ""
        return name == "card" && !Self.isCard(found) ? String(found) : "[\(name)]"
      }
    }
    return text
  }

  /// In this order: a key may look like a number, and an address holds words.
  private static let known: [(name: String, pattern: String)] = [
    ("key", #"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"#),
    ("key", #"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"#),
    (
      "key",
      #"\b(?:sk|pk|rk|ro|ghp|gho|ghs|glpat|xox[abprs]|AKIA|ASIA|AIza|whsec)"#
        + #"[-_]?[A-Za-z0-9_-]{16,}"#
    ),
    (
      "key",
      #"(?i)\b(?:bearer|api[-_ ]?key|password|passwd|secret|token)["']?"#
        + #"\s*[:= ]\s*["']?[^\s"',;]{6,}"#
    ),
    ("url", #"(?i)\b[a-z][a-z0-9+.-]*://[^\s/"'@]+:[^\s/"'@]+@[^\s"']+"#),
    ("email", #"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"#),
    ("iban", #"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?\b"#),
    ("card", #"\b\d(?:[ -]?\d){12,18}\b"#),
    ("ssn", #"\b\d{3}-\d{2}-\d{4}\b"#),
    ("ip", #"\b(?:\d{1,3}\.){3}\d{1,3}\b"#),
    ("phone", #"(?:\+|\b00)\d(?:[ ()./-]*\d){7,14}\b"#),
    ("phone", #"\(?\b\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b"#),
  ]

  /// ISO/IEC 7812: the last digit is a check digit.
  private static func isCard(_ text: Substring) -> Bool {
    let digits = text.compactMap(\.wholeNumberValue)
    guard (13...19).contains(digits.count) else { return false }
    let sum = digits.reversed().enumerated().reduce(0) { sum, item in
      let doubled = item.offset % 2 == 1 ? item.element * 2 : item.element
      return sum + (doubled > 9 ? doubled - 9 : doubled)
    }
    return sum % 10 == 0
  }
}

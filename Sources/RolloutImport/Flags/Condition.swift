package import RolloutEvaluation

/// Whom a rule of another system is about, as far as a plan can tell.
///
/// What cannot be told is `unknown`: it lets in nobody, and neither does its opposite.
package indirect enum Condition: Sendable, Equatable {
  case always
  case never
  case unknown
  case attribute(String, Rule.Condition)
  /// The user's id is one of these.
  case users([String])
  case all([Condition])
  case any([Condition])
  case not(Condition)

  /// The spellings of a text that are likely, for systems that do not look at the case of letters.
  static func spellings(_ text: String) -> [String] {
    var found: [String] = []
    let capital = text.prefix(1).uppercased() + text.dropFirst().lowercased()
    for spelling in [text, text.lowercased(), text.uppercased(), capital]
    where !found.contains(spelling) { found.append(spelling) }
    return found
  }
}

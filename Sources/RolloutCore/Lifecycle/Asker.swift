/// Who asked for a feature in the last day, and how often.
package struct Asker: Sendable, Equatable {
  /// The token's name, or `anonymous`.
  package var name: String
  package var count: Int

  package init(name: String, count: Int) {
    self.name = name
    self.count = count
  }

  /// `ai-summary was asked for 1,300 times in the last 24 hours, by web (1,000) and job (300)`.
  static func sentence(_ feature: String, _ askers: [Asker]) -> String {
    guard !askers.isEmpty else {
      return "\(feature) was in use in the last 24 hours, before the server was started; by whom "
        + "is not known any more"
    }
    let total = askers.reduce(0) { $0 + $1.count }
    let shown = askers.sorted { ($1.count, $0.name) < ($0.count, $1.name) }.prefix(5)
    var who = shown.map { "\($0.name) (\($0.count))" }.joined(separator: ", ")
    if askers.count > shown.count { who += " and \(askers.count - shown.count) more" }
    return "\(feature) was asked for \(total) time\(total == 1 ? "" : "s") in the last 24 hours, "
      + "by \(who)"
  }
}

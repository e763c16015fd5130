/// When some hours are open, each in its own zone. Times are seconds since 1970 in UTC.
struct Openings {
  /// An edge, and the clock that shows it.
  struct Edge {
    var at: Int
    var zone: String
    var rules: ZoneRules
  }

  /// What opens later is not looked for. An hour that is skipped in spring comes a week later.
  static let daysAhead = 15

  private let entries: [(hours: OpeningHours, rules: ZoneRules)]

  /// Hours in zones that are not known are left out.
  init(_ hours: [OpeningHours], _ zones: [String: ZoneRules]) {
    entries = hours.compactMap { hours in zones[hours.zone].map { (hours, $0) } }
  }

  func contains(_ time: Int) -> Bool { furthest(from: time) != nil }

  /// Where the openings end that hold this time, the furthest of them.
  private func furthest(from time: Int) -> Edge? {
    var found: Edge?
    for (hours, rules) in entries {
      let today = floorDivide(rules.local(at: time), 86_400)
      // One opens the day before, and a clock that is set back may show an earlier day.
      for day in (today - 2)...(today + 1) {
        guard let opening = hours.opening(on: day, rules), opening.contains(time),
          opening.upperBound > found?.at ?? .min
        else { continue }
        found = Edge(at: opening.upperBound, zone: hours.zone, rules: rules)
      }
    }
    return found
  }

  /// The first opening that begins later.
  func next(after time: Int) -> Edge? {
    var found: Edge?
    for (hours, rules) in entries {
      let today = floorDivide(rules.local(at: time), 86_400)
      for day in (today - 1)...(today + Self.daysAhead) {
        guard let opening = hours.opening(on: day, rules), opening.lowerBound > time else {
          continue
        }
        if opening.lowerBound < found?.at ?? .max {
          found = Edge(at: opening.lowerBound, zone: hours.zone, rules: rules)
        }
        break
      }
    }
    return found
  }

  /// When it shuts that is open at this time, openings that follow one another taken together; nil
  /// where that goes on for more than a week.
  func end(from time: Int) -> Edge? {
    guard var edge = furthest(from: time) else { return nil }
    for _ in 0..<8 {
      guard let further = furthest(from: edge.at) else { return edge }
      edge = further
    }
    return nil
  }
}

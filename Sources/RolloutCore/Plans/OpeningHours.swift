/// On which days of the week, and from when to when on the local clock, a plan may advance by
/// itself.
package struct OpeningHours: Sendable, Equatable {
  /// A day of the week.
  package struct Day: Sendable, Hashable {
    /// As plan files write them, from Monday on.
    static let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    static let all = names.indices.map { Day(index: $0) }

    let index: Int

    private init(index: Int) { self.index = index }

    /// Days are counted since 1970-01-01, a Thursday.
    init(number: Int) { index = ((number + 3) % 7 + 7) % 7 }

    init?(name: String) {
      guard let index = Self.names.firstIndex(of: name) else { return nil }
      self.index = index
    }

    var name: String { Self.names[index] }
    var title: String { name.prefix(1).uppercased() + name.dropFirst() }
  }

  static let minutesOfDay = 1440

  /// In the order of the week; one at least. A day is the one on which it opens.
  package internal(set) var days: [Day]
  /// Minutes of the local day: `from` opens, `to` is the first that is shut. Where `to` is no later
  /// than `from`, it is one of the next day; they are never the same.
  package internal(set) var from: Int
  package internal(set) var to: Int
  /// An IANA name, such as `Europe/Berlin`.
  package internal(set) var zone: String

  /// From when to when it is open by the local day of that number; nil where it does not open then,
  /// or clocks skip all of it.
  func opening(on day: Int, _ rules: ZoneRules) -> Range<Int>? {
    guard days.contains(Day(number: day)) else { return nil }
    let start = rules.firstMoment(showing: day * 86_400 + from * 60)
    let end = rules.firstMoment(showing: (to > from ? day : day + 1) * 86_400 + to * 60)
    return start < end ? start..<end : nil
  }

  /// `Mon–Thu 09:00–16:00 Europe/Berlin`
  package var words: String {
    let isWhole = from == 0 && to == Self.minutesOfDay
    let times = isWhole ? "" : " \(Self.clock(from))–\(Self.clock(to))"
    return "\(dayWords)\(times) \(zone)"
  }

  private var dayWords: String {
    if days.count == Day.all.count { return "every day" }
    var runs: [[Day]] = []
    for day in days {
      if let last = runs.last?.last, last.index + 1 == day.index {
        runs[runs.count - 1].append(day)
      } else {
        runs.append([day])
      }
    }
    return runs.flatMap { run -> [String] in
      run.count > 2 ? ["\(run[0].title)–\(run[run.count - 1].title)"] : run.map(\.title)
    }.joined(separator: ", ")
  }

  /// `09:00`
  static func clock(_ minutes: Int) -> String {
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(two(minutes / 60)):\(two(minutes % 60))"
  }
}

/// What the clocks of one time zone have shown and will show: how far they are from UTC, and when
/// that changes. Times are seconds since 1970 in UTC, offsets seconds to the east.
package struct ZoneRules: Sendable, Equatable {
  /// For how long one offset stands.
  struct Span: Equatable {
    var offset: Int
    /// The first second that it does not; `Int.max` where it stands for ever.
    var until: Int
  }

  struct Change: Sendable, Equatable {
    var at: Int
    var offset: Int
  }

  /// No zone is farther from UTC (RFC 9636, 3.2).
  static let offsetMax = 26 * 3600
  /// Farther away no clock is asked for: about 34,000 years.
  private static let timeMax = 1 << 40

  /// Before all changes.
  private let first: Int
  /// In the order of time.
  private let changes: [Change]
  /// From the last change on; nil where the last offset stands for ever.
  private let rest: PosixZone?

  init(first: Int, changes: [Change], rest: PosixZone?) {
    self.first = first
    self.changes = changes
    self.rest = rest
  }

  package static let utc = ZoneRules(first: 0, changes: [], rest: nil)

  /// What stands at a time.
  func span(at time: Int) -> Span {
    let time = min(max(time, -Self.timeMax), Self.timeMax)
    var (low, high) = (0, changes.count)
    while low < high {
      let middle = (low + high) / 2
      if changes[middle].at <= time { low = middle + 1 } else { high = middle }
    }
    guard low == changes.count else {
      return Span(offset: low == 0 ? first : changes[low - 1].offset, until: changes[low].at)
    }
    return rest?.span(at: time) ?? Span(offset: changes.last?.offset ?? first, until: .max)
  }

  /// What the local clock shows at a time, in seconds since its 1970.
  func local(at time: Int) -> Int { time + span(at: time).offset }

  /// The first moment at which the local clock shows this or more: the first of two where clocks
  /// are set back, and the moment they are set ahead where they skip it.
  func firstMoment(showing local: Int) -> Int {
    let local = min(max(local, -Self.timeMax), Self.timeMax)
    var time = local - Self.offsetMax
    while true {
      let span = span(at: time)
      let moment = max(time, local - span.offset)
      guard moment >= span.until else { return moment }
      time = span.until
    }
  }
}

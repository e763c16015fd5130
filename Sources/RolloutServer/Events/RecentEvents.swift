import RolloutCore

/// The newest messages in their order, in memory: all that most returning clients have missed.
///
/// Clients come back on a loop, ten thousand at once: how much one has missed is known without
/// looking at the messages, also for those who hear of a few features only.
struct RecentEvents {
  static let countMax = 4096
  /// Bytes of frames.
  static let sizeMax = 8 << 20

  struct Entry {
    let frame: EventFrame
    /// Bytes of all messages there ever were, up to this one, and of those of its feature.
    fileprivate let end: Int
    fileprivate let featureEnd: Int

    fileprivate var size: Int { frame.size }
  }

  private var entries: [Entry] = []
  /// Where the messages of a feature stand, counted from the first there ever was.
  private var numbers: [String: [Int]] = [:]
  /// The number of the first entry.
  private var first = 0
  /// Everything after this place is here.
  private(set) var start: MessagePlace
  private(set) var newest: MessagePlace
  /// When the newest plan event was; nil while none is here.
  private(set) var lastModified: Instant?

  init(startingAt place: MessagePlace) {
    start = place
    newest = place
  }

  private var size: Int {
    guard let first = entries.first, let last = entries.last else { return 0 }
    return last.end - first.end + first.size
  }

  mutating func append(_ frame: EventFrame) {
    let before = numbers[frame.feature]?.last.map { entries[$0 - first].featureEnd }
    let size = frame.size
    numbers[frame.feature, default: []].append(first + entries.count)
    entries.append(
      Entry(
        frame: frame, end: (entries.last?.end ?? 0) + size, featureEnd: (before ?? 0) + size))
    newest = frame.place
    lastModified = frame.changedAt ?? lastModified
    // A quarter at once, so that it does not have to be moved with every message.
    if entries.count > Self.countMax || self.size > Self.sizeMax {
      forget(max(1, entries.count / 4))
    }
  }

  private mutating func forget(_ count: Int) {
    start = entries[count - 1].frame.place
    for feature in Set(entries[..<count].map(\.frame.feature)) {
      numbers[feature]?.removeAll { $0 < first + count }
      if numbers[feature]?.isEmpty == true { numbers[feature] = nil }
    }
    entries.removeFirst(count)
    first += count
  }

  /// At most so many messages after `place`; nil when some of them are no longer here. O(log n).
  func run(after place: MessagePlace, countMax: Int) -> ArraySlice<Entry>? {
    index(after: place).map { entries[$0...].prefix(countMax) }
  }

  /// What follows `place` of these features (nil for all), oldest first; nil when some of it is no
  /// longer here, or when it is more than `sizeMax` bytes. O(log n) for each feature, and what is
  /// returned.
  func all(
    after place: MessagePlace, of features: Set<String>?, sizeMax: Int
  ) -> [EventFrame]? {
    guard let index = index(after: place) else { return nil }
    guard let next = entries[index...].first, let last = entries.last else { return [] }
    guard let features else {
      let missed = last.end - next.end + next.size
      return missed <= sizeMax ? entries[index...].map(\.frame) : nil
    }
    var (found, missed): ([Int], Int) = ([], 0)
    for feature in features {
      guard let own = numbers[feature], let newest = own.last else { continue }
      let from = own.partition { $0 < first + index }
      guard from < own.count else { continue }
      let next = entries[own[from] - first]
      missed += entries[newest - first].featureEnd - next.featureEnd + next.size
      guard missed <= sizeMax else { return nil }
      found += own[from...]
    }
    return found.sorted().map { entries[$0 - first].frame }
  }

  private func index(after place: MessagePlace) -> Int? {
    place >= start ? entries.partition { $0.frame.place <= place } : nil
  }
}

extension Array {
  /// How many at the beginning are of the first kind; all of that kind come first. O(log n).
  fileprivate func partition(_ isFirst: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isFirst(self[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

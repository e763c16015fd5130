/// How bad the last 10 seconds or the last 40 requests were, whichever reaches further back.
/// Every outcome counts here, repeats too.
package struct RecentLevel: Sendable, Equatable {
  package static let span = TimeSpan.seconds(10)
  package static let requests = 40
  /// Entries kept; at more requests than this in 10 s the window is shorter than 10 s.
  private static let capacity = 8192

  private struct Entry: Sendable, Equatable {
    var ratio: Float
    var bad: Bool
    var at: Instant
  }

  private var entries: [Entry] = []
  private var start = 0
  private var sum = 0.0
  package private(set) var bad = 0

  package init() {}

  package var count: Int { entries.count - start }
  package var rate: Double { count == 0 ? 0 : Double(bad) / Double(count) }
  package var mean: Double { count == 0 ? 0 : sum / Double(count) }

  package mutating func record(
    ratio: Double, bad isBad: Bool, at: Instant, keeping: Instant? = nil
  ) {
    let entry = Entry(ratio: Float(ratio), bad: isBad, at: at)
    entries.append(entry)
    sum += Double(entry.ratio)
    if isBad { bad += 1 }
    prune(now: at, keeping: keeping)
  }

  /// When the oldest of them was; nil without any.
  package var startsAt: Instant? { count > 0 ? entries[start].at : nil }

  /// Whether the mean of the requests since `start` is over the limit. O(requests).
  package func isOver(since start: Instant) -> Bool {
    let late = entries[self.start...].drop { $0.at < start }
    return late.reduce(0) { $0 + Double($1.ratio) } > Double(late.count)
  }

  /// Drops what is too old; `keeping` is a moment that is to stay in sight.
  package mutating func prune(now: Instant, keeping: Instant? = nil) {
    let kept = keeping ?? now
    while count > Self.requests,
      count > Self.capacity
        || (now.since(entries[start].at) > Self.span && entries[start].at < kept)
    {
      if entries[start].bad { bad -= 1 }
      sum -= Double(entries[start].ratio)
      start += 1
    }
    if start > 1024, start > entries.count / 2 {
      entries.removeFirst(start)
      start = 0
      sum = entries.reduce(0) { $0 + Double($1.ratio) }
    }
  }
}

extension RecentLevel {
  func write(to writer: inout StateWriter) {
    writer.int(count)
    for entry in entries[start...] {
      writer.double(Double(entry.ratio))
      writer.flag(entry.bad)
      writer.instant(entry.at)
    }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<(try reader.count()) {
      let ratio = try reader.amount()
      let isBad = try reader.flag()
      record(ratio: ratio, bad: isBad, at: try reader.instant())
    }
  }
}

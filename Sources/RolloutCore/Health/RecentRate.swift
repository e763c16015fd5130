/// The bad rate of the last 10 seconds or the last 40 requests, whichever reaches further back.
/// Every outcome counts here, repeats too.
package struct RecentRate: Sendable, Equatable {
  package static let span = TimeSpan.seconds(10)
  package static let requests = 40
  /// Entries kept; at more requests than this in 10 s the window is shorter than 10 s.
  private static let capacity = 8192

  private struct Entry: Sendable, Equatable {
    var bad: Bool
    var at: Instant
  }

  private var entries: [Entry] = []
  private var start = 0
  private var bad = 0

  package init() {}

  package var count: Int { entries.count - start }
  package var rate: Double { count == 0 ? 0 : Double(bad) / Double(count) }

  package mutating func record(bad isBad: Bool, at: Instant) {
    entries.append(Entry(bad: isBad, at: at))
    if isBad { bad += 1 }
    prune(now: at)
  }

  package mutating func prune(now: Instant) {
    while count > Self.requests,
      count > Self.capacity || now.since(entries[start].at) > Self.span
    {
      if entries[start].bad { bad -= 1 }
      start += 1
    }
    if start > 1024, start > entries.count / 2 {
      entries.removeFirst(start)
      start = 0
    }
  }
}

extension RecentRate {
  func write(to writer: inout StateWriter) {
    writer.int(count)
    for entry in entries[start...] {
      writer.flag(entry.bad)
      writer.instant(entry.at)
    }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<(try reader.count()) {
      let isBad = try reader.flag()
      record(bad: isBad, at: try reader.instant())
    }
  }
}

/// The last requests of a stage: how bad each was, and whose.
package struct ThresholdWindow: Sendable, Equatable {
  private struct Entry: Sendable, Equatable {
    var ratio: Double
    var bad: Bool
    var user: UInt64?
  }

  /// A ring; `next` is where the oldest entry stands once it is full.
  private var entries: [Entry] = []
  private var next = 0
  private let size: Int
  package private(set) var bad = 0
  private var sum = 0.0
  private var squares = 0.0

  package init(size: Int) { self.size = size }

  package var count: Int { entries.count }
  package var rate: Double { count == 0 ? 0 : Double(bad) / Double(count) }
  /// The mean of the ratios: 1 is exactly at the limit.
  package var mean: Double { count == 0 ? 0 : sum / Double(count) }

  /// The standard error of `mean`, from the spread of the entries themselves.
  package var standardError: Double {
    guard count > 1 else { return .infinity }
    let n = Double(count)
    let variance = max(0, (squares - sum * sum / n) / (n - 1))
    return (variance / n).squareRoot()
  }

  package mutating func record(ratio: Double, bad isBad: Bool, user: UInt64?) {
    let entry = Entry(ratio: ratio, bad: isBad, user: user)
    if entries.count < size {
      entries.append(entry)
      add(entry)
      return
    }
    if entries[next].bad { bad -= 1 }
    sum -= entries[next].ratio
    squares -= entries[next].ratio * entries[next].ratio
    entries[next] = entry
    next = (next + 1) % size
    add(entry)
    // Once around: what rounding has left behind is dropped.
    if next == 0 { resum() }
  }

  private mutating func add(_ entry: Entry) {
    if entry.bad { bad += 1 }
    sum += entry.ratio
    squares += entry.ratio * entry.ratio
  }

  private mutating func resum() {
    sum = 0
    squares = 0
    for entry in entries {
      sum += entry.ratio
      squares += entry.ratio * entry.ratio
    }
  }

  /// Distinct users with a bad request; those without an id count as one each. O(window).
  package var affectedUsers: Int {
    var users: Set<UInt64> = []
    var nameless = 0
    for entry in entries where entry.bad {
      if let user = entry.user { users.insert(user) } else { nameless += 1 }
    }
    return users.count + nameless
  }

  /// The number of bad requests at which the trigger fires:
  /// above n·max + margin·√(n·max·(1 − max)).
  package static func firesAt(count: Int, limit: Double, margin: Double) -> Int {
    let mean = Double(count) * limit
    // The tiny addend keeps 25 of 500 at exactly 5 % from firing by rounding.
    return Int((mean + margin * (mean * (1 - limit)).squareRoot() + 1e-9).rounded(.down)) + 1
  }
}

extension ThresholdWindow {
  func write(to writer: inout StateWriter) {
    writer.int(entries.count)
    // Oldest first, so that reading is recording.
    for offset in entries.indices {
      let entry = entries[(next + offset) % entries.count]
      writer.double(entry.ratio)
      writer.flag(entry.bad)
      writer.optional(entry.user) { $0.word($1) }
    }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<(try reader.count()) {
      let ratio = try reader.amount()
      let isBad = try reader.flag()
      record(
        ratio: ratio, bad: isBad,
        user: try reader.optional { (r) throws(StateReader.Truncated) in try r.word() })
    }
  }
}

/// The last requests of a stage: how bad each was, and whose.
package struct ThresholdWindow: Sendable, Equatable {
  private struct Entry: Sendable, Equatable {
    var ratio: Double
    /// The ratio as it was before the cap.
    var amount: Double
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

  mutating func clear() { self = ThresholdWindow(size: size) }

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

  /// The mean of the ratios as they were, before the cap, and its standard error: for people, never
  /// for acting. O(window).
  var uncapped: (mean: Double, standardError: Double) {
    guard count > 0 else { return (0, .infinity) }
    let n = Double(count)
    let mean = entries.reduce(0) { $0 + $1.amount / n }
    let variance =
      entries.reduce(0) { $0 + ($1.amount - mean) * ($1.amount - mean) } / max(1, n - 1)
    return (mean, count > 1 ? (variance / n).squareRoot() : .infinity)
  }

  /// Whether a request counts as less than it was. O(window).
  var isCapped: Bool { entries.contains { $0.amount > $0.ratio } }

  package mutating func record(_ reading: Reading, user: UInt64?) {
    let entry = Entry(
      ratio: reading.ratio, amount: reading.amount, bad: reading.bad, user: user)
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

  // MARK: Whose

  /// The people behind the bad requests.
  package struct Affected: Sendable, Equatable {
    /// Different people; those without an id count as one each.
    package var users: Int
    /// How many they are when each weighs as much as their errors do.
    package var effective: Double
  }

  /// O(window).
  package var affected: Affected {
    let (counts, nameless) = errorsByUser
    var effective = EffectiveUsers()
    for count in counts.values { effective.add(count) }
    effective.add(singles: nameless)
    return Affected(users: counts.count + nameless, effective: effective.value)
  }

  private var errorsByUser: (counts: [UInt64: Int], nameless: Int) {
    var counts: [UInt64: Int] = [:]
    var nameless = 0
    for entry in entries where entry.bad {
      if let user = entry.user { counts[user, default: 0] += 1 } else { nameless += 1 }
    }
    return (counts, nameless)
  }

  /// Whether the window still shows two bad requests and a mean over the limit without anything of
  /// the `count` users with the most bad ones. O(window).
  package func isOver(withoutHeaviest count: Int) -> Bool {
    let heaviest = errorsByUser.counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .prefix(count).map(\.key)
    let left = entries.filter { entry in entry.user.map { !heaviest.contains($0) } ?? true }
    return left.count { $0.bad } >= 2
      && left.reduce(0) { $0 + $1.ratio } > Double(left.count)
  }

  /// Whether so many people are hurt, or it goes on without those who are hurt most. O(window).
  func isWidespread(_ users: Int) -> Bool {
    affected.effective >= Double(users) || isOver(withoutHeaviest: users - 1)
  }

  // MARK: What to show

  /// The end of the window in which it went bad.
  package struct Streak: Sendable, Equatable {
    package var requests: Int
    package var bad: Int
    package var users: Int
    /// Of the amounts as they were, before the cap; 1 is the limit.
    package var mean: Double
    package var isCapped: Bool
  }

  /// The end of the window that speaks loudest against the limit: for words, never for acting. nil
  /// when no end of it is over the limit. `share` is the limit of a rate, nil for amounts.
  /// O(window).
  package func worstStreak(share: Double?) -> Streak? {
    var streak = Streak(requests: 0, bad: 0, users: 0, mean: 0, isCapped: false)
    var (capped, raw, loudest) = (0.0, 0.0, 0.0)
    var users: Set<UInt64> = []
    var nameless = 0
    var worst: Streak?
    for offset in entries.indices.reversed() {
      let entry = entries[(next + offset) % entries.count]
      streak.requests += 1
      capped += entry.ratio
      raw += entry.amount
      if entry.amount > entry.ratio { streak.isCapped = true }
      if entry.bad {
        streak.bad += 1
        if let user = entry.user { users.insert(user) } else { nameless += 1 }
      }
      guard entry.bad, capped > Double(streak.requests) else { continue }
      let voice = Self.voice(streak, mean: capped / Double(streak.requests), share: share)
      guard voice > loudest else { continue }
      loudest = voice
      streak.users = users.count + nameless
      streak.mean = raw / Double(streak.requests)
      worst = streak
    }
    return worst
  }

  /// The amount that a fraction of `share` of the last `count` requests is above; 1 is the limit, 0
  /// without requests. O(window · log window).
  func quantile(slower share: Double, last count: Int) -> Double {
    let amounts = entries.indices.suffix(count).map {
      entries[(next + $0) % entries.count].amount
    }.sorted()
    guard !amounts.isEmpty else { return 0 }
    let rank = (Double(amounts.count) * (1 - share)).rounded(.up)
    return amounts[min(amounts.count, max(1, Int(rank))) - 1]
  }

  /// How far a mean is over the limit, in standard errors but for a constant factor. Of counts the
  /// square roots are compared: their spread is even, so that one of two says less than 48 of 490.
  private static func voice(_ streak: Streak, mean: Double, share: Double?) -> Double {
    let count = Double(streak.requests)
    guard let share else { return (mean - 1) * count.squareRoot() }
    return Double(streak.bad).squareRoot() - (count * share).squareRoot()
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
      writer.double(entry.amount)
      writer.flag(entry.bad)
      writer.optional(entry.user) { $0.word($1) }
    }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<(try reader.count()) {
      var reading = Reading(ratio: try reader.amount(), bad: false)
      reading.amount = try reader.amount()
      reading.bad = try reader.flag()
      record(
        reading,
        user: try reader.optional { (r) throws(StateReader.Truncated) in try r.word() })
    }
  }
}

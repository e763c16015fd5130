import DocumentKit

/// What happened in one span of time to the users of one arm. Two cells add up to that of both.
package struct SeriesCell: Sendable, Equatable {
  /// By `Outcome.Result`, in its order.
  private var results = Array(repeating: 0, count: Outcome.Result.allCases.count)
  /// By `Feedback.Kind`, in its order.
  private var votes = Array(repeating: 0, count: Feedback.Kind.allCases.count)
  /// Decisions of this arm: yes for the treatment, no for the control.
  package private(set) var decisions = 0
  /// Of the outcomes that say it; nil when none did, as with the others.
  package private(set) var tokens: Int?
  package private(set) var cost: Money?
  package private(set) var latencies = LatencyHistogram()
  package private(set) var users = UserSketch()

  package init() {}

  package subscript(result: Outcome.Result) -> Int {
    results[Self.place(result)]
  }

  package subscript(vote: Feedback.Kind) -> Int { votes[Self.place(vote)] }

  /// Outcomes that count: all but the excluded ones.
  package var requests: Int { results.reduce(0) { $0.adding($1) } - self[.excluded] }

  private static func place(_ result: Outcome.Result) -> Int {
    Outcome.Result.allCases.firstIndex(of: result) ?? 0
  }

  private static func place(_ vote: Feedback.Kind) -> Int {
    Feedback.Kind.allCases.firstIndex(of: vote) ?? 0
  }

  package mutating func record(_ outcome: Outcome) {
    results[Self.place(outcome.result)] += 1
    if let user = outcome.user { users.insert(user) }
    // Paid for, whatever became of it.
    if let spent = outcome.tokens { tokens = (tokens ?? 0).adding(spent) }
    if let paid = outcome.cost { cost = (cost ?? .zero).adding(paid) }
    guard outcome.result != .excluded else { return }
    if let latency = outcome.latency { latencies.record(latency) }
  }

  /// A request that its user gave up on when it had taken too long: it took at least so many
  /// milliseconds.
  mutating func record(givenUpAfter latency: Double) { latencies.record(latency) }

  package mutating func record(_ vote: Feedback) { votes[Self.place(vote.kind)] += 1 }

  package mutating func record(decisions count: Int) {
    decisions = decisions.adding(max(0, count))
  }

  package mutating func merge(_ other: SeriesCell) {
    for index in results.indices { results[index] = results[index].adding(other.results[index]) }
    for index in votes.indices { votes[index] = votes[index].adding(other.votes[index]) }
    decisions = decisions.adding(other.decisions)
    if let more = other.tokens { tokens = (tokens ?? 0).adding(more) }
    if let more = other.cost { cost = (cost ?? .zero).adding(more) }
    latencies.merge(other.latencies)
    users.merge(other.users)
  }
}

extension SeriesCell {
  /// The form of the bytes; another one is not read.
  private static let form = 1

  /// A few dozen bytes for few requests, half a kilobyte and more for many users.
  package var bytes: [UInt8] {
    var writer = StateWriter()
    writer.small(Self.form)
    for count in results + votes { writer.small(count) }
    writer.small(decisions)
    writer.optional(tokens) { $0.small($1) }
    writer.optional(cost) { $0.small($1.nanodollars) }
    latencies.writeSmall(to: &writer)
    users.write(to: &writer)
    return writer.bytes
  }

  /// Nil for bytes that `bytes` did not make; numbers that were forged stay numbers.
  package init?(_ bytes: [UInt8]) {
    do throws(StateReader.Truncated) {
      var reader = StateReader(bytes)
      guard try reader.small() == Self.form else { return nil }
      for index in results.indices { results[index] = try reader.small() }
      for index in votes.indices { votes[index] = try reader.small() }
      decisions = try reader.small()
      tokens = try reader.optional { (r) throws(StateReader.Truncated) in try r.small() }
      cost = try reader.optional { (r) throws(StateReader.Truncated) in
        Money(nanodollars: try r.small())
      }
      try latencies.readSmall(from: &reader)
      try users.read(from: &reader)
      guard reader.isAtEnd else { return nil }
    } catch { return nil }
  }
}

import DocumentKit

/// Latencies in buckets that grow by an eighth of a power of two: every quantile is right to 6 %.
/// Two histograms add up to the histogram of both.
package struct LatencyHistogram: Sendable, Equatable {
  /// 1 ms to 2^27 ms (37 hours), eight buckets to each doubling, and one below.
  private static let octaves = 27
  private static let steps = 8

  private var counts: [UInt32] = []
  package private(set) var count = 0

  package init() {}

  package mutating func record(_ milliseconds: Double) {
    if counts.isEmpty { counts = Array(repeating: 0, count: Self.octaves * Self.steps + 1) }
    let index = Self.index(milliseconds)
    counts[index] &+= 1
    count += 1
  }

  /// Takes one back that was recorded; nothing where it was not.
  mutating func remove(_ milliseconds: Double) {
    let index = Self.index(milliseconds)
    guard counts.indices.contains(index), counts[index] > 0 else { return }
    counts[index] -= 1
    count -= 1
  }

  private static func index(_ milliseconds: Double) -> Int {
    guard milliseconds >= 1 else { return 0 }
    let exponent = min(Int(milliseconds.exponent), octaves - 1)
    let significand = min(milliseconds, Double(1 << octaves) - 1).significand
    let step = min(Int((significand - 1) * Double(steps)), steps - 1)
    return 1 + exponent * steps + step
  }

  package mutating func merge(_ other: LatencyHistogram) {
    guard !other.counts.isEmpty else { return }
    if counts.isEmpty { counts = Array(repeating: 0, count: other.counts.count) }
    for index in counts.indices { counts[index] &+= other.counts[index] }
    count += other.count
  }

  /// Milliseconds below which the fraction `quantile` of all lies, taken from the bucket's middle;
  /// nil when nothing was recorded.
  package func quantile(_ quantile: Double) -> Double? {
    guard count > 0 else { return nil }
    let rank = max(1, Int((Double(count) * quantile).rounded(.up)))
    var seen = 0
    for (index, bucket) in counts.enumerated() {
      seen += Int(bucket)
      if seen >= rank { return Self.middle(index) }
    }
    return nil
  }

  private static func middle(_ index: Int) -> Double {
    guard index > 0 else { return 0.5 }
    let octave = Double(1 << ((index - 1) / steps))
    return octave * (1 + (Double((index - 1) % steps) + 0.5) / Double(steps))
  }
}

extension LatencyHistogram {
  func write(to writer: inout StateWriter) {
    let filled = counts.enumerated().filter { $0.element > 0 }
    writer.int(filled.count)
    for (index, bucket) in filled {
      writer.int(index)
      writer.int(Int(bucket))
    }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<(try reader.count()) {
      let index = try reader.int()
      let bucket = try reader.int()
      if counts.isEmpty { counts = Array(repeating: 0, count: Self.octaves * Self.steps + 1) }
      guard counts.indices.contains(index), let value = UInt32(exactly: bucket) else {
        throw StateReader.Truncated()
      }
      counts[index] = value
      count += bucket
    }
  }
  /// The same in as few bytes as it needs.
  func writeSmall(to writer: inout StateWriter) {
    let filled = counts.enumerated().filter { $0.element > 0 }
    writer.small(filled.count)
    for (index, bucket) in filled {
      writer.small(index)
      writer.small(Int(bucket))
    }
  }

  /// Into an empty one.
  mutating func readSmall(from reader: inout StateReader) throws(StateReader.Truncated) {
    let filled = try reader.small()
    guard filled > 0 else { return }
    counts = Array(repeating: 0, count: Self.octaves * Self.steps + 1)
    for _ in 0..<filled {
      let index = try reader.small()
      let bucket = UInt32(clamping: try reader.small())
      guard counts.indices.contains(index) else { throw StateReader.Truncated() }
      // A bucket that stands twice counts once.
      count += Int(bucket) - Int(counts[index])
      counts[index] = bucket
    }
    if count == 0 { counts = [] }
  }
}

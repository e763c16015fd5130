/// Outcomes in the order they came in, packed for keeping.
package struct PackedOutcomes: Sendable {
  package private(set) var count = 0
  private var writer = StateWriter()
  package private(set) var firstAt: Instant?

  package init() {}

  package var bytes: [UInt8] { writer.bytes }

  package mutating func append(_ outcome: Outcome) {
    count += 1
    firstAt = firstAt ?? outcome.at
    let result = UInt64(Outcome.Result.allCases.firstIndex(of: outcome.result) ?? 0)
    let arm: UInt64 = outcome.arm == .control ? 1 : 0
    let marks = result | arm << 4 | (outcome.user == nil ? 0 : 1) << 5
    let latency = Float(outcome.latency ?? -1).bitPattern
    writer.word(marks | UInt64(latency) << 32)
    writer.instant(outcome.at)
    writer.word(outcome.user ?? 0)
    writer.int(outcome.cost.nanodollars)
    writer.word(
      UInt64(UInt32(clamping: outcome.inputTokens)) << 32
        | UInt64(UInt32(clamping: outcome.outputTokens)))
  }

  /// Reads what `append` wrote, up to the first record that is not whole.
  package static func unpack(_ bytes: [UInt8]) -> [Outcome] {
    var reader = StateReader(bytes)
    var outcomes: [Outcome] = []
    outcomes.reserveCapacity(bytes.count / 40)
    while !reader.isAtEnd, let outcome = try? next(&reader) { outcomes.append(outcome) }
    return outcomes
  }

  private static func next(_ reader: inout StateReader) throws(StateReader.Truncated) -> Outcome {
    let marks = try reader.word()
    let at = try reader.instant()
    let user = try reader.word()
    let cost = try reader.int()
    let tokens = try reader.word()
    let index = Int(marks & 15)
    guard Outcome.Result.allCases.indices.contains(index) else { throw StateReader.Truncated() }
    let latency = Float(bitPattern: UInt32(marks >> 32))
    return Outcome(
      result: Outcome.Result.allCases[index], arm: marks & 16 == 0 ? .treatment : .control,
      user: marks & 32 == 0 ? nil : user, at: at, latency: latency >= 0 ? Double(latency) : nil,
      inputTokens: Int(tokens >> 32), outputTokens: Int(tokens & 0xFFFF_FFFF),
      cost: Money(nanodollars: cost))
  }
}

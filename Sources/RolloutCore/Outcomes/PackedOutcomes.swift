/// Outcomes in the order they came in, packed for keeping.
package struct PackedOutcomes: Sendable {
  package private(set) var count = 0
  private var writer = StateWriter()
  package private(set) var firstAt: Instant?

  /// Beside the result in the low four bits; the upper half of the word is the latency.
  private enum Mark {
    static let control: UInt64 = 1 << 4
    static let hasUser: UInt64 = 1 << 5
    static let unknownArm: UInt64 = 1 << 6
    static let notDrawn: UInt64 = 1 << 7
    static let noTokens: UInt64 = 1 << 8
    static let noCost: UInt64 = 1 << 9
    static let givenUp: UInt64 = 1 << 10
    static let fromCache: UInt64 = 1 << 11
  }

  package init() {}

  package var bytes: [UInt8] { writer.bytes }

  package mutating func append(_ outcome: Outcome) {
    count += 1
    firstAt = firstAt ?? outcome.at
    let result = UInt64(Outcome.Result.allCases.firstIndex(of: outcome.result) ?? 0)
    var marks = result
    if outcome.arm == .control { marks |= Mark.control }
    if outcome.user != nil { marks |= Mark.hasUser }
    if outcome.arm == .unknown { marks |= Mark.unknownArm }
    if !outcome.isDrawn { marks |= Mark.notDrawn }
    if outcome.tokens == nil { marks |= Mark.noTokens }
    if outcome.cost == nil { marks |= Mark.noCost }
    if outcome.isGivenUp { marks |= Mark.givenUp }
    if outcome.isFromCache { marks |= Mark.fromCache }
    let latency = Float(outcome.latency ?? -1).bitPattern
    writer.word(marks | UInt64(latency) << 32)
    writer.instant(outcome.at)
    writer.word(outcome.user ?? 0)
    writer.int(outcome.cost?.nanodollars ?? 0)
    writer.word(
      UInt64(UInt32(clamping: outcome.inputTokens ?? 0)) << 32
        | UInt64(UInt32(clamping: outcome.outputTokens ?? 0)))
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
    func has(_ mark: UInt64) -> Bool { marks & mark != 0 }
    var outcome = Outcome(
      result: Outcome.Result.allCases[index],
      arm: has(Mark.unknownArm) ? .unknown : has(Mark.control) ? .control : .treatment,
      user: has(Mark.hasUser) ? user : nil, at: at, latency: latency >= 0 ? Double(latency) : nil,
      inputTokens: has(Mark.noTokens) ? nil : Int(tokens >> 32),
      outputTokens: has(Mark.noTokens) ? nil : Int(tokens & 0xFFFF_FFFF),
      cost: has(Mark.noCost) ? nil : Money(nanodollars: cost))
    outcome.isDrawn = !has(Mark.notDrawn)
    outcome.isGivenUp = has(Mark.givenUp)
    outcome.isFromCache = has(Mark.fromCache)
    return outcome
  }
}

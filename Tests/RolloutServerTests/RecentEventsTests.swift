import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// The window of messages in memory, against looking at each of them.
@Suite struct RecentEventsTests {
  private func notice(_ number: Int, _ feature: String, size: Int) -> EventFrame {
    EventFrame(
      .notice(
        StoredNotice(
          id: number, afterEvent: 0,
          notice: Notice(
            feature: feature, planVersion: 1, at: Samples.start, kind: .dryRun,
            sentence: String(repeating: "x", count: size), evidence: nil))))
  }

  @Test(arguments: 1...8)
  func `what was missed is the same as by looking at each message`(seed: Int) {
    var chance = SeededRandom(seed: UInt64(seed))
    var recent = RecentEvents(startingAt: .beginning)
    var all: [EventFrame] = []
    let features = (0..<6).map { "f\($0)" }
    for number in 1...(seed % 2 == 0 ? 900 : 9000) {
      let feature = features[Int.random(in: 0..<6, using: &chance)]
      all.append(notice(number, feature, size: Int.random(in: 0..<400, using: &chance)))
      recent.append(all[number - 1])
    }
    for _ in 0..<200 {
      let last = Int.random(in: 0...all.count, using: &chance)
      let wanted: Set<String>? =
        Bool.random(using: &chance)
        ? nil : Set(features.shuffled(using: &chance).prefix(Int.random(in: 1...3, using: &chance)))
      let sizeMax = Int.random(in: 0..<200_000, using: &chance)
      let place = last == 0 ? .beginning : all[last - 1].place
      let missed = all[last...].filter { wanted?.contains($0.feature) ?? true }
      let isHere = place >= recent.start && missed.reduce(0) { $0 + $1.size } <= sizeMax
      #expect(
        recent.all(after: place, of: wanted, sizeMax: sizeMax)?.map(\.place)
          == (isHere ? missed.map(\.place) : nil),
        "after \(last) of \(all.count)")
      let run = recent.run(after: place, countMax: 10)
      #expect(
        run.map { $0.map(\.frame.place) }
          == (place >= recent.start ? all[last...].prefix(10).map(\.place) : nil))
    }
  }
}

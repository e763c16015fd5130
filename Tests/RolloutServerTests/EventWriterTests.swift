import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// How news are written, for many listeners once.
@Suite struct EventWriterTests {
  private func frame(_ id: Int, _ sentence: String) -> EventNews {
    .frame(
      EventFrame(
        .notice(
          StoredNotice(
            id: id, afterEvent: 4,
            notice: Notice(
              feature: "f", planVersion: 1, at: Samples.start, kind: .dryRun, sentence: sentence,
              evidence: nil)))))
  }

  @Test func `each kind of news has its form`() {
    let writer = EventWriter()
    func text(_ news: EventNews...) -> String {
      String(decoding: writer.bytes(news), as: UTF8.self)
    }
    let place = MessagePlace(event: 4, notice: 7)
    let notice = text(frame(7, "said"))
    #expect(notice.hasPrefix("id: 4.7\nevent: dry_run\ndata: {"), "\(notice)")
    #expect(notice.contains(#""said""#) && notice.hasSuffix("}\n\n"))
    #expect(
      text(.changed(place: place, lastModified: Instant(milliseconds: 5999)))
        == "id: 4.7\nevent: message\ndata: {\"type\":\"refetchEvaluation\",\"lastModified\":5}\n\n")
    #expect(
      text(.changed(place: place, lastModified: nil))
        == "id: 4.7\nevent: message\ndata: {\"type\":\"refetchEvaluation\"}\n\n")
    #expect(text(.reset(to: place)) == "id: 4.7\nevent: reset\ndata: {\"first_id\":\"4.7\"}\n\n")
    #expect(text(.pulse) == ": \n\n")
    #expect(text(.pulse, frame(7, "said")) == ": \n\n" + notice)
  }

  @Test(arguments: 1...8)
  func `what was written last is never taken for other news`(seed: Int) {
    var chance = SeededRandom(seed: UInt64(seed))
    let all: [EventNews] = (1...3).flatMap { id -> [EventNews] in
      let place = MessagePlace(event: 4, notice: id)
      return [
        frame(id, "notice \(id)"), .changed(place: place, lastModified: nil),
        .changed(place: place, lastModified: Samples.start), .reset(to: place), .pulse,
      ]
    }
    let shared = EventWriter()
    for _ in 0..<500 {
      let news = (0..<Int.random(in: 1...2, using: &chance)).map { _ in
        all[Int.random(in: 0..<all.count, using: &chance)]
      }
      #expect(shared.bytes(news) == EventWriter().bytes(news))
    }
  }
}

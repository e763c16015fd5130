import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@Suite struct HistoryChainTests {
  private let event = PlanEvent(
    feature: "f", version: 7, at: Samples.start, kind: .rolledBack, actor: .alert("High"),
    reason: "why", from: .init(stage: "beta", status: .active),
    to: .init(stage: "internal", status: .paused), evidence: .object(["n": .int(1)]))

  @Test func `a link is what it has always been: what is written must be provable later`() {
    let text = String(decoding: HistoryChain.link(event, after: [0x21]), as: UTF8.self)
    #expect(
      text
        == "!1:f1:713:180000000000011:rolled_back10:alert:High3:why4:beta6:active8:internal"
        + "6:paused7:{\"n\":1}")
  }

  @Test func `every field is in it, and none can be shifted into its neighbour`() {
    let link = HistoryChain.link(event, after: [])
    let edits: [(inout PlanEvent) -> Void] = [
      { $0.feature = "g" }, { $0.version = 8 }, { $0.at = $0.at + .shortest },
      { $0.kind = .paused }, { $0.actor = .monitor }, { $0.reason = "why4" }, { $0.from = nil },
      { $0.to.stage = "off" }, { $0.to.status = .active }, { $0.evidence = nil },
      {
        $0.feature = "f7"
        $0.version = 0
      },
    ]
    for edit in edits {
      var other = event
      edit(&other)
      #expect(HistoryChain.link(other, after: []) != link)
    }
    #expect(HistoryChain.link(event, after: [1]) != link)
  }
}

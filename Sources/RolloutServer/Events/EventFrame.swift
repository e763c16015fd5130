import DocumentKit
import RolloutAPI
import RolloutCore

/// A message for those who listen: written down once for everybody, in no wire's form.
struct EventFrame: Sendable {
  let place: MessagePlace
  let feature: String
  /// `rolled_back`, `verdict` and the like.
  let kind: String
  /// All of it, as JSON.
  let data: [UInt8]
  /// When a plan changed; nil for a notice, which changes none.
  let changedAt: Instant?

  init(_ message: Message) {
    place = message.place
    feature = message.feature
    kind = message.kind
    switch message {
    case .event(let event):
      data = (try? WireEncoder.json(EventView(event))) ?? Self.empty
      changedAt = event.event.at
    case .notice(let notice):
      data = (try? WireEncoder.json(NoticeView(notice))) ?? Self.empty
      changedAt = nil
    }
  }

  private static let empty = Array("{}".utf8)

  /// Bytes it takes on its way, about.
  var size: Int { data.count + kind.utf8.count + 48 }
}

/// What a listener is told.
enum EventNews: Sendable {
  /// Something happened.
  case frame(EventFrame)
  /// Decisions may be others now: fetch them again. `place` is what this listener has seen then,
  /// `lastModified` when it was that they changed, where that is known.
  case changed(place: MessagePlace, lastModified: Instant?)
  /// What was missed is not kept: what follows begins after `place`, and what lies before has to be
  /// asked for as a whole.
  case reset(to: MessagePlace)
  /// Nothing happened, and the stream lives.
  case pulse
}

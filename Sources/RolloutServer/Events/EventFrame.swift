import DocumentKit
import RolloutAPI
import RolloutCore

/// A message as it goes out, written once for everybody who listens.
struct EventFrame: Sendable {
  let place: MessagePlace
  let feature: String
  let native: [UInt8]
  /// OFREP's word for it; nil for a notice, which changes no flag.
  let ofrep: [UInt8]?

  /// `mark` is the hub's.
  init(_ message: Message, mark: Int = 0) {
    place = message.place
    feature = message.feature
    native = Self.native(message)
    ofrep =
      switch message {
      case .event(let event): Self.refetch(at: event.id, mark: mark, lastModified: event.event.at)
      case .notice: nil
      }
  }

  /// What this format says of it; nil for nothing.
  func bytes(_ format: EventHub.Format) -> [UInt8]? {
    switch format {
    case .native: native
    case .ofrep: ofrep
    }
  }

  private static func native(_ message: Message) -> [UInt8] {
    let data =
      switch message {
      case .event(let event): try? WireEncoder.json(EventView(event))
      case .notice(let notice): try? WireEncoder.json(NoticeView(notice))
      }
    return Array("id: \(message.place.text)\nevent: \(message.kind)\ndata: ".utf8)
      + (data ?? Array("{}".utf8)) + Array("\n\n".utf8)
  }

  /// OFREP's notice to fetch again.
  static func refetch(at event: Int, mark: Int, lastModified: Instant?) -> [UInt8] {
    let place = MessagePlace(event: event, notice: mark)
    let modified = lastModified.map { ",\"lastModified\":\($0.milliseconds / 1000)" } ?? ""
    return Array(
      """
      id: \(place.text)
      event: message
      data: {"type":"refetchEvaluation"\(modified)}


      """.utf8)
  }

  /// Tells a client that what it missed is not kept: what follows begins after `place`, and what
  /// lies before has to be asked for as a whole.
  static func reset(to place: MessagePlace) -> [UInt8] {
    Array("id: \(place.text)\nevent: reset\ndata: {\"first_id\":\"\(place.text)\"}\n\n".utf8)
  }

  static let opening = Array("retry: 2000\n: connected\n\n".utf8)
}

import RolloutCore
import Synchronization

/// Writes news as server-sent events; the same news for ten thousand listeners once.
final class EventWriter: Sendable {
  static let opening = Array("retry: 2000\n: connected\n\n".utf8)
  private static let pulse = Array(": \n\n".utf8)

  /// What was written last, and for what.
  private struct Last {
    var key: Key?
    var bytes: [UInt8] = []
  }

  private struct Key: Equatable {
    var place: MessagePlace
    var isFrame: Bool
    var lastModified: Instant?
  }

  private let last = Mutex(Last())

  func bytes(_ news: [EventNews]) -> [UInt8] {
    guard news.count == 1, let only = news.first else {
      return news.reduce(into: []) { $0 += Self.bytes($1) }
    }
    let key: Key
    switch only {
    case .frame(let frame): key = Key(place: frame.place, isFrame: true)
    case .changed(let place, let lastModified):
      key = Key(place: place, isFrame: false, lastModified: lastModified)
    case .reset, .pulse: return Self.bytes(only)
    }
    return last.withLock { last in
      if last.key != key { last = Last(key: key, bytes: Self.bytes(only)) }
      return last.bytes
    }
  }

  private static func bytes(_ news: EventNews) -> [UInt8] {
    switch news {
    case .frame(let frame):
      return Array("id: \(frame.place.text)\nevent: \(frame.kind)\ndata: ".utf8) + frame.data
        + Array("\n\n".utf8)
    case .changed(let place, let lastModified):
      let modified = lastModified.map { ",\"lastModified\":\($0.milliseconds / 1000)" } ?? ""
      return Array(
        """
        id: \(place.text)
        event: message
        data: {"type":"refetchEvaluation"\(modified)}


        """.utf8)
    case .reset(let place):
      return Array(
        "id: \(place.text)\nevent: reset\ndata: {\"first_id\":\"\(place.text)\"}\n\n".utf8)
    case .pulse: return pulse
    }
  }
}

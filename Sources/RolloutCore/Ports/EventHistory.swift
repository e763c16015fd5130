/// What happened to plans and what was noticed, as it is kept, for those who missed some of it.
///
/// Promises: one order for everybody, which is that of the commits; whoever goes on from a page's
/// end misses nothing and is given nothing twice. Reading changes nothing, and may be cancelled at
/// no cost. Throws `StoreError`.
package protocol EventHistory: Sendable {
  /// Where the newest message stands; `.beginning` when there is none.
  func newestPlace() async throws -> MessagePlace

  /// The first place that can be gone on from without a gap: notices before it are no longer kept.
  func oldestPlace() async throws -> MessagePlace

  /// What follows `place`, oldest first, of these features (nil for all). Looks at a bounded number
  /// of messages, so a page may hold none and still have a next one. Gives way to commits.
  func page(after place: MessagePlace, features: Set<String>?) async throws -> HistoryPage
}

/// A run of messages.
package struct HistoryPage: Sendable {
  package var messages: [Message]
  /// Nothing that was asked for lies between the page's start and here beside `messages`.
  package var end: MessagePlace
  /// Whether there was nothing after `end` at the time.
  package var isLast: Bool

  package init(messages: [Message], end: MessagePlace, isLast: Bool) {
    self.messages = messages
    self.end = end
    self.isLast = isLast
  }
}

/// Where a message stands in the one order of the event stream: plan events by id, notices between
/// them.
package struct MessagePlace: Comparable, Hashable, Sendable {
  package var event: Int
  /// 0 for the event itself.
  package var notice: Int

  package static let beginning = MessagePlace(event: 0, notice: 0)

  package init(event: Int, notice: Int = 0) {
    self.event = event
    self.notice = notice
  }

  /// `12`, or `12.3` for a notice; nil for anything else.
  package init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let event = Int(parts[0]), event >= 0 else { return nil }
    guard parts.count == 2 else {
      self.init(event: event)
      return
    }
    guard let notice = Int(parts[1]), notice > 0 else { return nil }
    self.init(event: event, notice: notice)
  }

  package var text: String { notice == 0 ? "\(event)" : "\(event).\(notice)" }

  /// The last place that can lie before this one.
  package var predecessor: MessagePlace {
    notice > 0
      ? MessagePlace(event: event, notice: notice - 1)
      : MessagePlace(event: max(0, event - 1), notice: .max)
  }

  package static func < (a: MessagePlace, b: MessagePlace) -> Bool {
    (a.event, a.notice) < (b.event, b.notice)
  }
}

extension Message {
  package var place: MessagePlace {
    switch self {
    case .event(let event): MessagePlace(event: event.id)
    case .notice(let notice): MessagePlace(event: notice.afterEvent, notice: notice.id)
    }
  }
}

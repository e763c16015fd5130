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

extension Message {
  package var place: MessagePlace {
    switch self {
    case .event(let event): MessagePlace(event: event.id)
    case .notice(let notice): MessagePlace(event: notice.afterEvent, notice: notice.id)
    }
  }
}

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

package import DocumentKit

/// Whether history is as it was written: each event's hash covers the one before it.
package struct HistoryCheckView: Codable, Sendable, Equatable {
  /// Events of all plans that were looked at.
  package var events: Int
  package var intact: Bool
  /// The id of the first event that does not fit those before it; null when all do.
  package var firstBroken: Nullable<Int>

  package init(events: Int, firstBroken: Int?) {
    self.events = events
    intact = firstBroken == nil
    self.firstBroken = Nullable(firstBroken)
  }
}

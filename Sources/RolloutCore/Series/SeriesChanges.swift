import DocumentKit

/// What happened to one feature's users since it was last written down.
package struct SeriesChanges: Sendable, Equatable {
  package var cells: [SeriesKey: SeriesCell] = [:]
  package var failures: [FailureKey: Int] = [:]
  /// In the order they came in.
  package var recent: [RecentFailure] = []

  package init() {}

  package var isEmpty: Bool { cells.isEmpty && failures.isEmpty && recent.isEmpty }

  /// Cells, and kinds of failures, between two writes.
  private static let cellsMax = 4096

  /// The key itself while there is room, then that of its hour.
  func room(for key: SeriesKey) -> SeriesKey {
    guard cells.count >= Self.cellsMax, cells[key] == nil else { return key }
    var coarse = key
    coarse.step = .hour
    coarse.at = SeriesStep.hour.start(of: key.at)
    return coarse
  }

  func room(for key: FailureKey) -> FailureKey {
    guard failures.count >= Self.cellsMax, failures[key] == nil else { return key }
    var coarse = key
    coarse.step = .hour
    coarse.at = SeriesStep.hour.start(of: key.at)
    return coarse
  }
}

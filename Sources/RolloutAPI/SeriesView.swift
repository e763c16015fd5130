package import DocumentKit

/// What happened to a feature's users over time.
package struct SeriesView: Codable, Sendable {
  /// A change of the plan, for the time axis.
  package struct Mark: Codable, Sendable, Equatable {
    package var at: String
    /// The stage after it.
    package var stage: String
    package var version: Int
    /// As in the plan's events.
    package var type: String
    package var actor: String
  }

  /// The names of a row's cells, in their order.
  package static let columnNames = [
    "at", "stage", "arm", "requests", "ok", "degraded_model", "degraded_cache",
    "degraded_fallback", "failed", "excluded", "p50_ms", "p95_ms", "p99_ms", "tokens", "cost_usd",
    "thumbs_up", "thumbs_down", "regenerate", "abandon", "decisions_on", "decisions_off", "users",
  ]

  /// Both are moved outwards to whole steps.
  package var from: String
  package var to: String
  /// Seconds that a row is about.
  package var stepS: Int
  package var marks: [Mark]
  package var columns: [String]
  /// By time, then stage, then arm. What was not measured is null; where nothing happened there is
  /// no row.
  package var rows: [[Document]]

  init(from: String, to: String, stepS: Int, marks: [Mark], rows: [[Document]]) {
    self.from = from
    self.to = to
    self.stepS = stepS
    self.marks = marks
    columns = Self.columnNames
    self.rows = rows
  }

  /// The cell of a row under a column's name; null where there is none.
  package func cell(_ row: [Document], _ column: String) -> Document {
    guard let place = columns.firstIndex(of: column), row.indices.contains(place) else {
      return .null
    }
    return row[place]
  }
}

/// What had been measured of one feature.
package struct FeatureState: Sendable, Equatable {
  package var feature: String
  package var state: [UInt8]

  package init(feature: String, state: [UInt8]) {
    self.feature = feature
    self.state = state
  }
}

/// Outcomes of one feature as they came in, packed; for replaying them against other thresholds.
package struct OutcomeChunk: Sendable, Equatable {
  package var feature: String
  package var count: Int
  /// Of the first outcome in it.
  package var at: Instant
  package var bytes: [UInt8]

  package init(feature: String, count: Int, at: Instant, bytes: [UInt8]) {
    self.feature = feature
    self.count = count
    self.at = at
    self.bytes = bytes
  }
}

/// Ids of a feature's outcomes and votes, hashed, in the order they came in.
package struct SeenIDs: Sendable, Equatable {
  package var feature: String
  package var ids: [UInt64]

  package init(feature: String, ids: [UInt64]) {
    self.feature = feature
    self.ids = ids
  }
}

/// What happened to one feature's users since it was last kept.
package struct FeatureSeries: Sendable, Equatable {
  package var feature: String
  package var changes: SeriesChanges

  package init(feature: String, changes: SeriesChanges) {
    self.feature = feature
    self.changes = changes
  }
}

/// What was measured since it was last kept.
package struct TelemetryChanges: Sendable, Equatable {
  package var states: [FeatureState]
  package var chunks: [OutcomeChunk]
  package var ids: [SeenIDs]
  package var series: [FeatureSeries]

  package init(
    states: [FeatureState] = [], chunks: [OutcomeChunk] = [], ids: [SeenIDs] = [],
    series: [FeatureSeries] = []
  ) {
    self.states = states
    self.chunks = chunks
    self.ids = ids
    self.series = series
  }

  package var isEmpty: Bool {
    states.isEmpty && chunks.isEmpty && ids.isEmpty && series.isEmpty
  }
}

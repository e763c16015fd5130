package import RolloutCore

/// A telemetry store in memory. It keeps the promises of its ports except durability.
package actor MemoryTelemetryStore: TelemetryStore, CaptureStore, AnswerStore {
  private struct Chunk {
    var count: Int
    var bytes: [UInt8]
  }

  private var states: [String: [UInt8]] = [:]
  private var chunks: [String: [Chunk]] = [:]
  private var ids: [String: [UInt64]] = [:]
  private var cells: [String: [SeriesKey: SeriesCell]] = [:]
  private var failures: [String: [FailureKey: Int]] = [:]
  private var recent: [(id: Int, feature: String, failure: RecentFailure)] = []
  private var recentCount = 0
  private var captures: [Capture] = []
  private var captureCount = 0
  private var answers: [[UInt8]: KeptAnswer] = [:]

  package init() {}

  // MARK: TelemetryStore

  package func save(_ changes: TelemetryChanges) {
    for state in changes.states { states[state.feature] = state.state }
    for chunk in changes.chunks {
      chunks[chunk.feature, default: []].append(Chunk(count: chunk.count, bytes: chunk.bytes))
      var kept = 0
      let newest = (chunks[chunk.feature] ?? []).reversed().prefix {
        kept += $0.count
        return kept <= Retention.outcomesMax
      }
      chunks[chunk.feature] = newest.reversed()
    }
    for seen in changes.ids {
      ids[seen.feature] = ((ids[seen.feature] ?? []) + seen.ids).suffix(Retention.idsMax)
    }
    for series in changes.series { append(series) }
  }

  private func append(_ series: FeatureSeries) {
    for (key, cell) in series.changes.cells {
      cells[series.feature, default: [:]][key, default: SeriesCell()].merge(cell)
    }
    for (key, count) in series.changes.failures {
      failures[series.feature, default: [:]][key, default: 0] += count
    }
    for failure in series.changes.recent {
      recentCount += 1
      recent.append((recentCount, series.feature, failure))
    }
    let old = Set(
      recent.filter { $0.feature == series.feature }.map(\.id).dropLast(SeriesBook.recentMax))
    recent.removeAll { old.contains($0.id) }
  }

  package func loadStates() -> [FeatureState] {
    states.map { FeatureState(feature: $0.key, state: $0.value) }
  }

  package func loadIDs() -> [SeenIDs] { ids.map { SeenIDs(feature: $0.key, ids: $0.value) } }

  package func outcomes(_ feature: String) -> [[UInt8]] { (chunks[feature] ?? []).map(\.bytes) }

  package func ageSeries(now: Instant) {
    for step in SeriesStep.allCases {
      let limit = step.start(
        of: Instant(milliseconds: now.milliseconds - step.keptFor.milliseconds))
      for (feature, kept) in cells {
        for (key, cell) in kept where key.step == step && key.at < limit {
          cells[feature]?[key] = nil
          guard let coarser = step.coarser else { continue }
          var next = key
          next.step = coarser
          next.at = coarser.start(of: key.at)
          cells[feature]?[next, default: SeriesCell()].merge(cell)
        }
      }
      for (feature, kept) in failures {
        for (key, count) in kept where key.step == step && key.at < limit {
          failures[feature]?[key] = nil
          guard let coarser = step.coarser else { continue }
          var next = key
          next.step = coarser
          next.at = coarser.start(of: key.at)
          failures[feature]?[next, default: 0] += count
        }
      }
    }
  }

  package func series(
    _ feature: String, from: Instant, to: Instant, step: SeriesStep
  ) -> [SeriesKey: SeriesCell] {
    var sums: [SeriesKey: SeriesCell] = [:]
    for (key, cell) in cells[feature] ?? [:]
    where key.at >= key.step.start(of: from) && key.at < to {
      var sum = key
      sum.step = step
      sum.at = step.start(of: key.at)
      sum.version = 0
      sums[sum, default: SeriesCell()].merge(cell)
    }
    return sums
  }

  package func failures(
    _ feature: String, from: Instant, to: Instant, step: SeriesStep
  ) -> [FailureKey: Int] {
    var sums: [FailureKey: Int] = [:]
    for (key, count) in failures[feature] ?? [:]
    where key.at >= key.step.start(of: from) && key.at < to {
      var sum = key
      sum.step = step
      sum.at = step.start(of: key.at)
      sums[sum, default: 0] += count
    }
    return sums
  }

  package func recentFailures(
    _ feature: String, from: Instant, to: Instant, before: Int?, limit: Int
  ) -> [(id: Int, failure: RecentFailure)] {
    recent.reversed().filter {
      $0.feature == feature && $0.id < before ?? Int.max && $0.failure.at >= from
        && $0.failure.at < to
    }.prefix(limit).map { ($0.id, $0.failure) }
  }

  // MARK: CaptureStore

  package func keep(_ capture: Capture, max: Int) {
    captureCount += 1
    var capture = capture
    capture.id = captureCount
    captures.append(capture)
    captures.removeAll { $0.expiresAt <= capture.at || $0.id <= captureCount - max }
  }

  package func captures(
    _ feature: String, before: Int?, limit: Int, sizeMax: Int, now: Instant
  ) -> [Capture] {
    var page: [Capture] = []
    for capture in captures.reversed()
    where capture.feature == feature && capture.id < before ?? Int.max && capture.expiresAt > now {
      let size = page.dropLast().reduce(0) { $0 + $1.prompt.count + $1.answer.count }
      guard page.count < limit, size < sizeMax else { break }
      page.append(capture)
    }
    return page
  }

  package func deleteCaptures(_ feature: String) { captures.removeAll { $0.feature == feature } }
  package func deleteExpiredCaptures(now: Instant) { captures.removeAll { $0.expiresAt <= now } }

  // MARK: AnswerStore

  package func keep(_ answers: [KeptAnswer], sizeMax: Int) {
    for answer in answers { self.answers[answer.key] = answer }
    var size = self.answers.values.reduce(0) { $0 + $1.text.utf8.count }
    for answer in self.answers.values.sorted(by: { $0.storedAt < $1.storedAt }) where size > sizeMax
    {
      self.answers[answer.key] = nil
      size -= answer.text.utf8.count
    }
  }

  package func deleteExpiredAnswers(now: Instant) {
    answers = answers.filter { max($0.value.freshUntil, $0.value.staleUntil) > now }
  }

  package func loadAnswers(now: Instant, sizeMax: Int) -> [KeptAnswer] {
    var size = 0
    return answers.values.filter { max($0.freshUntil, $0.staleUntil) > now }
      .sorted { $0.storedAt > $1.storedAt }
      .filter { answer in
        size += answer.text.utf8.count
        return size <= sizeMax
      }
  }
}

extension FeatureHealth {
  private static let format = 4

  /// Everything measured, for keeping over a restart; nil before the start.
  package var state: [UInt8]? {
    guard let entered = plan.stageEnteredAt?.steady else { return nil }
    var writer = StateWriter()
    writer.int(Self.format)
    writer.int(plan.version)
    writer.optional(lastTrafficAt) { $0.instant($1) }
    writer.optional(investigatedAt) { $0.instant($1) }
    writeMeans(to: &writer)
    writer.instant(entered)
    writer.optional(lastOutcomeAt) { $0.instant($1) }
    writeArms(to: &writer)
    writer.int(detectors.count)
    for detector in detectors {
      writer.text(detector.rule.metric.rawValue)
      let state = detector.state
      writer.int(state.count)
      writer.raw(state)
    }
    return writer.bytes
  }

  /// Puts back what was measured before a restart, as far as it still belongs to this stage.
  package mutating func restore(_ state: [UInt8]) {
    var restored = self
    var reader = StateReader(state)
    do throws(StateReader.Truncated) {
      try restored.read(from: &reader)
      self = restored
    } catch {
      return
    }
  }

  private mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    guard try reader.int() == Self.format else { throw StateReader.Truncated() }
    let version = try reader.natural()
    restoreTraffic(try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() })
    restoreInvestigated(
      try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() })
    try readMeans(from: &reader)
    // The stage before, or the one after a rollback: its evidence says nothing about this one.
    guard try reader.instant() == plan.stageEnteredAt?.steady else { return }
    restoreOutcomes(try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() })
    try readArms(from: &reader)
    // A version that was made after this was written may have started the detectors afresh.
    guard version == plan.version else { return }
    let count = try reader.count()
    for index in 0..<count {
      let metric = try reader.text()
      let bytes = try reader.raw(try reader.count())
      guard detectors.indices.contains(index), detectors[index].rule.metric.rawValue == metric
      else { continue }
      restoreDetector(index, bytes)
    }
  }
}

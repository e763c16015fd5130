extension Detector {
  /// Grows when the bytes below change their meaning; older ones are then left unread.
  private static let format = 7

  /// Everything measured, for keeping over a restart.
  package var state: [UInt8] {
    var writer = StateWriter()
    writer.int(Self.format)
    writer.int(requests)
    writer.int(errors)
    runs.write(to: &writer)
    window.write(to: &writer)
    score.write(to: &writer)
    confirmation.write(to: &writer)
    recent.write(to: &writer)
    health.write(to: &writer)
    writer.optional(band) { writer, band in
      band.score.write(to: &writer)
      writer.flag(band.isLatched)
      band.health.write(to: &writer)
    }
    controlRuns.write(to: &writer)
    controlRecent.write(to: &writer)
    writer.int(controlCount)
    comparison.write(to: &writer)
    writer.optional(latchedAt) { $0.instant($1) }
    writer.optional(suspectedAt) { $0.instant($1) }
    writer.flag(hasEnded)
    writer.flag(isConfirming)
    writer.optional(calmSince) { $0.instant($1) }
    writer.flag(isHeldFor)
    return writer.bytes
  }

  /// Puts `state` back into a detector of the same rule. Leaves it as it was when the bytes are not
  /// what this version writes: losing them costs delay, never validity.
  package mutating func restore(_ state: [UInt8]) {
    var restored = self
    var reader = StateReader(state)
    do throws(StateReader.Truncated) {
      try restored.read(from: &reader)
      if reader.isAtEnd { self = restored }
    } catch {
      return
    }
  }

  private mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    guard try reader.int() == Self.format else { throw StateReader.Truncated() }
    requests = try reader.natural()
    lookedAt = requests
    errors = try reader.natural()
    try runs.read(from: &reader)
    try window.read(from: &reader)
    try score.read(from: &reader)
    try confirmation.read(from: &reader)
    try recent.read(from: &reader)
    try health.read(from: &reader)
    if try reader.flag() {
      guard var band else { throw StateReader.Truncated() }
      try band.score.read(from: &reader)
      band.isLatched = try reader.flag()
      try band.health.read(from: &reader)
      self.band = band
    }
    try controlRuns.read(from: &reader)
    try controlRecent.read(from: &reader)
    controlCount = try reader.natural()
    try comparison.read(from: &reader)
    latchedAt = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
    suspectedAt = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
    // A latch without it would never clear.
    suspectedAt = suspectedAt ?? latchedAt
    hasEnded = try reader.flag()
    isConfirming = try reader.flag()
    calmSince = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
    isHeldFor = try reader.flag()
  }
}

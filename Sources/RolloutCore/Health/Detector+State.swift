extension Detector {
  /// Grows when the bytes below change their meaning; older ones are then left unread.
  private static let format = 2

  /// Everything measured, for keeping over a restart.
  package var state: [UInt8] {
    var writer = StateWriter()
    writer.int(Self.format)
    writer.int(requests)
    writer.int(errors)
    window.write(to: &writer)
    score.write(to: &writer)
    recent.write(to: &writer)
    health.write(to: &writer)
    writer.optional(band) { $1.write(to: &$0) }
    writer.flag(bandLatched)
    control.write(to: &writer)
    writer.int(controlCount)
    split.write(to: &writer)
    writer.optional(lastError) { writer, last in
      writer.word(last.user)
      writer.instant(last.at)
    }
    writer.optional(latchedAt) { $0.instant($1) }
    writer.int(requestsSinceLatch)
    writer.optional(calmSince) { $0.instant($1) }
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
    requests = max(0, try reader.int())
    errors = max(0, try reader.int())
    try window.read(from: &reader)
    try score.read(from: &reader)
    try recent.read(from: &reader)
    try health.read(from: &reader)
    if try reader.flag() {
      guard band != nil else { throw StateReader.Truncated() }
      try band?.read(from: &reader)
    }
    bandLatched = try reader.flag()
    try control.read(from: &reader)
    controlCount = max(0, try reader.int())
    try split.read(from: &reader)
    lastError = try reader.optional { (r) throws(StateReader.Truncated) in
      LastError(user: try r.word(), at: try r.instant())
    }
    latchedAt = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
    requestsSinceLatch = max(0, try reader.int())
    calmSince = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
  }
}

extension RateGuard {
  /// Everything measured, for keeping over a restart.
  package var state: [UInt8] {
    var writer = StateWriter()
    writer.int(requests)
    writer.int(errors)
    window.write(to: &writer)
    score.write(to: &writer)
    recent.write(to: &writer)
    writer.optional(lastError) { writer, last in
      writer.word(last.user)
      writer.instant(last.at)
    }
    writer.optional(latchedAt) { $0.instant($1) }
    writer.optional(calmSince) { $0.instant($1) }
    return writer.bytes
  }

  /// Puts `state` back into a guard of the same rule. Leaves the guard as it was when the bytes are
  /// not what this version writes: losing them costs delay, never validity.
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
    requests = try reader.int()
    errors = try reader.int()
    try window.read(from: &reader)
    try score.read(from: &reader)
    try recent.read(from: &reader)
    if try reader.flag() {
      let user = try reader.word()
      lastError = (user, try reader.instant())
    }
    latchedAt = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
    calmSince = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
  }
}

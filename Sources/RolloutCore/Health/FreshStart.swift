/// Since when automation judges anew, because a person resumed or acknowledged: what began before
/// stays in totals and series, and is not scored.
struct FreshStart: Sendable, Equatable {
  /// The plan's version that the person made.
  let version: Int
  /// A place on the steady timeline.
  let at: Instant

  init(version: Int, at: Instant) {
    self.version = version
    self.at = at
  }

  /// Whether a request that was decided at `version`, where that is known, or at `began` came
  /// after.
  func covers(_ began: Instant, version decided: Int?) -> Bool {
    began >= at || decided.map { $0 >= version } ?? false
  }

  func write(to writer: inout StateWriter) {
    writer.int(version)
    writer.instant(at)
  }

  init(from reader: inout StateReader) throws(StateReader.Truncated) {
    version = try reader.natural()
    at = try reader.instant()
  }
}

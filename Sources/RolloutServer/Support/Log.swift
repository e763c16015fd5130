import DocumentKit
import Glibc
import PlatformKit
import RolloutCore

/// One JSON object per line on standard error. Never prompts, completions or secrets.
struct Log: PlanObserver {
  var clock: any WallClock
  /// Bytes of one field: callers and providers may write as much as they like.
  private static let fieldSizeMax = 4096

  /// Says nothing: thousands of simulated servers would say too much.
  var isSilent = false
  /// Where a line goes, without its end.
  var write: @Sendable (String) -> Void

  init(
    clock: any WallClock, isSilent: Bool = false,
    write: @escaping @Sendable (String) -> Void = Self.standardError
  ) {
    self.clock = clock
    self.isSilent = isSilent
    self.write = write
  }

  func notice(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
    line("notice", message, fields)
  }

  func error(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
    line("error", message, fields)
  }

  /// A change of a plan by a person or an alert; what the monitor does it says itself.
  func hear(_ stored: StoredEvent) {
    let event = stored.event
    guard event.actor != .monitor else { return }
    notice(
      "a plan was changed",
      [
        "feature": event.feature, "version": "\(event.version)", "what": event.kind.rawValue,
        "stage": event.to.stage, "status": event.to.status.rawValue, "by": event.actor.text,
        "why": event.reason,
      ])
  }

  private func line(_ level: String, _ message: String, _ fields: KeyValuePairs<String, String>) {
    guard !isSilent else { return }
    write(Self.text(level, message, fields, at: clock.now))
  }

  private static func text(
    _ level: String, _ message: String, _ fields: KeyValuePairs<String, String>, at now: Instant
  ) -> String {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("time")
    writer.string(now.rfc3339)
    writer.key("level")
    writer.string(level)
    writer.key("message")
    writer.string(message.onOneLine)
    for (name, value) in fields {
      writer.key(name)
      writer.string(value.clipped(toBytes: fieldSizeMax).onOneLine)
    }
    writer.endObject()
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// Never waits for whoever reads it: loops write here too.
  static let standardErrorLines = LineWriter(STDERR_FILENO) { dropped in
    text(
      "error", "log lines were dropped: nobody read them in time", ["count": "\(dropped)"],
      at: SystemClock().now)
  }

  private static let standardError: @Sendable (String) -> Void = { standardErrorLines.write($0) }
}

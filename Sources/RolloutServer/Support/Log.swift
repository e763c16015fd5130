import DocumentKit
import Glibc
import RolloutCore

/// One JSON object per line on standard error. Never prompts, completions or secrets.
struct Log: Sendable {
  var clock: any WallClock
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
  func changed(_ event: PlanEvent) {
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
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("time")
    writer.string(clock.now.rfc3339)
    writer.key("level")
    writer.string(level)
    writer.key("message")
    writer.string(message.onOneLine)
    for (name, value) in fields {
      writer.key(name)
      writer.string(value.onOneLine)
    }
    writer.endObject()
    write(String(decoding: writer.bytes, as: UTF8.self))
  }

  private static let standardError: @Sendable (String) -> Void = { line in
    let bytes = Array(line.utf8) + [0x0A]
    _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
  }
}

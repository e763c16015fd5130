import DocumentKit
import Glibc
import RolloutCore

/// One JSON object per line on standard error. Never prompts, completions or secrets.
struct Log: Sendable {
  var clock: any WallClock
  /// Says nothing: thousands of simulated servers would say too much.
  var isSilent = false

  func notice(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
    line("notice", message, fields)
  }

  func error(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
    line("error", message, fields)
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
    let bytes = writer.bytes + [0x0A]
    _ = write(STDERR_FILENO, bytes, bytes.count)
  }
}

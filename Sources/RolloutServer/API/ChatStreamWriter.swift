import DocumentKit
import RolloutGateway

/// Writes a chat's stream as server-sent events. An event that came in its reader's dialect goes
/// out as it came, to the byte, but for the usage that nobody but us asked for.
struct ChatStreamWriter: Sendable {
  private let dialect: ChatDialect
  /// We always ask OpenAI's servers for usage; their clients read it only where they ask too.
  private let wantsUsage: Bool

  /// For whoever sent this request.
  init(_ request: ChatRequest) {
    dialect = request.dialect
    wantsUsage =
      dialect == .anthropic || request["stream_options"]?["include_usage"]?.bool == true
  }

  /// What goes to the reader for an event in its dialect; may be nothing.
  func frame(_ event: RawValue) -> [UInt8] {
    guard dialect == .openai else {
      return Self.frame(event.json, named: event["type"]?.string)
    }
    guard !wantsUsage, let usage = event["usage"] else { return Self.frame(event.json) }
    if !usage.isNull, event["choices"]?.isEmptyList == true { return [] }
    return Self.frame(event.removing("usage"))
  }

  /// The proper end.
  var end: [UInt8] { dialect == .openai ? Array("data: [DONE]\n\n".utf8) : [] }

  /// A stream that broke off: the dialect's error, and no proper end.
  var interruption: [UInt8] {
    let error = dialect.error(
      "The provider's stream broke off; the answer is incomplete.", status: 502, code: nil,
      type: dialect == .openai ? "upstream_stream_interrupted" : nil)
    return Self.frame(error.json, named: dialect == .anthropic ? "error" : nil)
  }

  private static func frame(_ json: [UInt8], named name: String? = nil) -> [UInt8] {
    var frame: [UInt8] = []
    frame.reserveCapacity(json.count + 48)
    // A name that is more than a line would be more than a name.
    if let name, !name.utf8.contains(where: { $0 < 0x20 }) { frame += "event: \(name)\n".utf8 }
    frame += "data: ".utf8
    if json.contains(0x0A) {
      // What came in several lines goes on in several.
      for byte in json {
        frame.append(byte)
        if byte == 0x0A { frame += "data: ".utf8 }
      }
    } else {
      frame += json
    }
    frame += "\n\n".utf8
    return frame
  }
}

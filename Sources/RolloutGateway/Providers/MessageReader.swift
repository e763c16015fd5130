import DocumentKit
import HTTPKit
import PlatformKit
import Synchronization

/// Anthropic's events. `message_start` and pings prove nothing.
struct MessageReader: EventReader {
  private(set) var model: String?
  private(set) var pieces = 0
  private(set) var hasEnded = false
  /// Whether a block has begun, be it a text without a character.
  private var hasAnswer = false
  private var stopReason: String?
  var isWhole: Bool { hasEnded }
  var dialect: ChatDialect { .anthropic }

  mutating func take(_ data: [UInt8]) throws -> RawValue? {
    guard let event = RawValue(data) else {
      throw ProviderFailure.malformed("an event is not JSON")
    }
    switch event["type"]?.string {
    case "error": throw AnthropicProvider.failure(event["error"]?.document, status: 502)
    case "message_start": model = event["message"]?["model"]?.string ?? model
    case "content_block_start":
      guard let block = event["content_block"], block["type"]?.isFilledText == true else {
        throw ProviderFailure.malformed("a block of the answer cannot be read")
      }
      hasAnswer = true
      guard block["type"]?.string == "tool_use" else { break }
      guard block["name"]?.isFilledText == true else {
        throw ProviderFailure.malformed("a call names nothing")
      }
      pieces += 1
    case "content_block_delta":
      guard isPiece(event["delta"]) else {
        throw ProviderFailure.malformed("a piece of the answer cannot be read")
      }
      hasAnswer = true
      pieces += 1
    case "message_delta":
      let stop = event["delta"]?["stop_reason"]
      guard stop?.isReason ?? true else {
        throw ProviderFailure.malformed("why the answer has ended cannot be read")
      }
      stopReason = stop?.string ?? stopReason
    case "message_stop":
      guard hasAnswer || Document.explainsNothing(stop: stopReason) else {
        throw ProviderFailure.malformed("the answer's message is empty")
      }
      hasEnded = true
    default: break
    }
    return event
  }

  private func isPiece(_ delta: RawValue?) -> Bool {
    switch delta?["type"]?.string {
    case "text_delta": delta?["text"]?.isText == true
    case "input_json_delta": delta?["partial_json"]?.isText == true
    case let type?: !type.isEmpty
    case nil: false
    }
  }
}

import DocumentKit
import HTTPKit
import PlatformKit
import Synchronization

/// OpenAI's chat completion chunks.
struct ChunkReader: EventReader {
  private(set) var model: String?
  private(set) var pieces = 0
  /// Some servers omit [DONE]; an answer with a finish reason is whole nevertheless.
  private(set) var isWhole = false
  private(set) var hasEnded = false
  /// Whether anything of an answer came, be it a text without a character.
  private var hasAnswer = false
  var dialect: ChatDialect { .openai }

  mutating func take(_ data: [UInt8]) throws -> RawValue? {
    if data.elementsEqual("[DONE]".utf8) {
      hasEnded = true
      return nil
    }
    guard let chunk = RawValue(data) else {
      throw ProviderFailure.malformed("an event is not JSON")
    }
    if let error = chunk["error"], !error.isNull {
      let overloaded = error["type"]?.string?.contains("overloaded") == true
      throw overloaded ? ProviderFailure.overloaded : ProviderFailure.serverError(status: 502)
    }
    // It is asked for once, when the first content is there.
    if pieces == 0 { model = chunk["model"]?.string ?? model }
    for choice in chunk["choices"]?.elements ?? [] { try look(choice) }
    return chunk
  }

  private mutating func look(_ choice: RawValue) throws {
    if let delta = choice["delta"] {
      guard let piece = delta.piece else {
        throw ProviderFailure.malformed("a piece of the answer cannot be read")
      }
      if piece.isSign { hasAnswer = true }
      if piece.isFilled { pieces += 1 }
    }
    guard let finish = choice["finish_reason"], !finish.isNull else { return }
    guard let reason = finish.string else {
      throw ProviderFailure.malformed("why the answer has ended cannot be read")
    }
    guard hasAnswer || Document.explainsNothing(finish: reason) else {
      throw ProviderFailure.malformed("the answer's message is empty")
    }
    isWhole = true
  }
}

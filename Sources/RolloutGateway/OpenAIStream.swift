import DocumentKit
import HTTPKit
import Synchronization

/// Chat completion chunks from a server-sent event stream, checked for a proper end.
///
/// One reader at a time; the mutex only makes that safe to share.
final class OpenAIStream: ProviderStream {
  private struct State {
    var parser = EventStreamParser()
    var ready: [Document] = []
    var model: String
    var finishReasonSeen = false
    var doneSeen = false
    var contentSeen = false
  }

  /// Events before the first content; a provider that sends more is not answering.
  private static let openingEventsMax = 64

  private let answer: HTTPStream
  private let state: Mutex<State>

  init(_ answer: HTTPStream, model: String) {
    self.answer = answer
    state = Mutex(State(model: model))
  }

  var model: String { state.withLock { $0.model } }
  var dialect: ChatDialect { .openai }

  /// Reads until something of the answer itself has arrived, so that a failure before it can still
  /// be handed to another target.
  func awaitContent() async throws {
    while true {
      let (found, held) = state.withLock { ($0.contentSeen || $0.finishReasonSeen, $0.ready.count) }
      if found { return }
      guard held <= Self.openingEventsMax else {
        throw ProviderFailure.malformed("no content in \(held) events")
      }
      guard try await read() else { throw ProviderFailure.malformed("the stream was empty") }
    }
  }

  func next() async throws -> Document? {
    while true {
      let (chunk, ended) = state.withLock { state in
        (state.ready.isEmpty ? nil : state.ready.removeFirst(), state.doneSeen)
      }
      if let chunk { return chunk }
      if ended { return nil }
      guard try await read() else {
        // Some servers omit [DONE]; an answer with a finish reason is whole nevertheless.
        if state.withLock({ $0.finishReasonSeen }) { return nil }
        throw ProviderFailure.interrupted("the stream ended before its answer")
      }
    }
  }

  /// Takes in more of the stream; false at its end.
  private func read() async throws -> Bool {
    let bytes: [UInt8]?
    do { bytes = try await answer.next() } catch { throw ProviderFailure(transport: error) }
    guard let bytes else { return false }
    try state.withLock { state in
      let events: [[UInt8]]
      do { events = try state.parser.consume(bytes) } catch {
        throw ProviderFailure.malformed("an event is too large")
      }
      for event in events where !state.doneSeen { try Self.take(event, into: &state) }
    }
    return true
  }

  private static func take(_ event: [UInt8], into state: inout State) throws {
    if event.elementsEqual("[DONE]".utf8) {
      state.doneSeen = true
      return
    }
    guard let chunk = try? JSONReader.read(event) else {
      throw ProviderFailure.malformed("an event is not JSON")
    }
    if let error = chunk["error"], !error.isNull {
      let overloaded = error["type"]?.string?.contains("overloaded") == true
      throw overloaded ? ProviderFailure.overloaded : ProviderFailure.serverError(status: 502)
    }
    if let model = chunk["model"]?.string { state.model = model }
    for choice in chunk["choices"]?.array ?? [] {
      if choice["finish_reason"]?.string != nil { state.finishReasonSeen = true }
      let delta = choice["delta"]
      if delta?["content"]?.string?.isEmpty == false || delta?["refusal"]?.string != nil
        || delta?["tool_calls"]?.array?.isEmpty == false
      {
        state.contentSeen = true
      }
    }
    state.ready.append(chunk)
  }
}

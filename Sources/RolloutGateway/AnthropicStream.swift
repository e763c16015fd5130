import DocumentKit
import HTTPKit
import Synchronization

/// Anthropic's events from a server-sent event stream, checked for a proper end.
///
/// One reader at a time; the mutex only makes that safe to share.
final class AnthropicStream: ProviderStream {
  private struct State {
    var parser = EventStreamParser()
    var ready: [Document] = []
    var model: String
    var stopSeen = false
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
  var dialect: ChatDialect { .anthropic }

  /// Reads until something of the answer itself has arrived; `message_start` and pings prove
  /// nothing.
  func awaitContent() async throws {
    while true {
      let (found, held) = state.withLock { ($0.contentSeen || $0.stopSeen, $0.ready.count) }
      if found { return }
      guard held <= Self.openingEventsMax else {
        throw ProviderFailure.malformed("no content in \(held) events")
      }
      guard try await read() else { throw ProviderFailure.malformed("the stream was empty") }
    }
  }

  func next() async throws -> Document? {
    while true {
      let (event, ended) = state.withLock { state in
        (state.ready.isEmpty ? nil : state.ready.removeFirst(), state.stopSeen)
      }
      if let event { return event }
      if ended { return nil }
      guard try await read() else {
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
      for event in events where !state.stopSeen { try Self.take(event, into: &state) }
    }
    return true
  }

  private static func take(_ data: [UInt8], into state: inout State) throws {
    guard let event = try? JSONReader.read(data) else {
      throw ProviderFailure.malformed("an event is not JSON")
    }
    switch event["type"]?.string {
    case "error": throw AnthropicProvider.failure(event["error"], status: 502)
    case "message_start":
      if let model = event["message"]?["model"]?.string { state.model = model }
    case "content_block_start":
      if event["content_block"]?["type"]?.string == "tool_use" { state.contentSeen = true }
    case "content_block_delta": state.contentSeen = true
    case "message_stop": state.stopSeen = true
    default: break
    }
    state.ready.append(event)
  }
}

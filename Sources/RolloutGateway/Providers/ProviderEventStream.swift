import DocumentKit
import HTTPKit
import PlatformKit
import Synchronization

/// What one dialect makes of the events of its streams.
protocol EventReader: Sendable {
  var dialect: ChatDialect { get }
  /// The model that answers, as far as the stream has said.
  var model: String? { get }
  /// Pieces of the answer itself that have come; until there is one another target may take over.
  var pieces: Int { get }
  /// Whether the answer is whole, even if the stream should end here.
  var isWhole: Bool { get }
  /// Whether the stream has said that it ends.
  var hasEnded: Bool { get }

  /// Takes in the data of one event; nil for one that is only a sign. Throws `ProviderFailure`.
  mutating func take(_ data: [UInt8]) throws -> RawValue?
}

/// A provider's server-sent events, checked for a proper end and passed on as they came.
///
/// One reader at a time; the mutex only makes that safe to share.
final class ProviderEventStream<Reader: EventReader>: ProviderStream {
  private struct State {
    var parser = EventStreamParser()
    var reader: Reader
    var ready: [RawValue] = []
    /// Bytes read before the first content.
    var opening = 0
    /// When the last content came.
    var pieceAt: MonotonicInstant
  }

  /// Events before the first content; a provider that sends more is not answering.
  private static var openingEventsMax: Int { 64 }
  private static var openingSizeMax: Int { 256 << 10 }

  let dialect: ChatDialect
  let dropped: [String]
  private let answer: HTTPStream
  private let targetModel: String
  /// Milliseconds between two pieces of content.
  private let idle: Int
  private let clock: any MonotonicClock
  private let state: Mutex<State>

  /// `model` is the name that was asked for, until the stream tells another.
  /// `idle` is in seconds.
  init(
    _ answer: HTTPStream, _ reader: Reader, model: String, dropped: [String], idle: Double,
    clock: any MonotonicClock
  ) {
    self.clock = clock
    self.idle = Int(idle * 1000)
    self.dropped = dropped
    self.answer = answer
    targetModel = model
    dialect = reader.dialect
    state = Mutex(State(reader: reader, pieceAt: clock.monotonic))
  }

  var model: String { state.withLock { $0.reader.model } ?? targetModel }

  /// Reads until something of the answer itself has arrived, so that a failure before it can still
  /// be handed to another target.
  func awaitContent() async throws {
    while true {
      let (found, held, size) = state.withLock { state in
        (state.reader.pieces > 0 || state.reader.isWhole, state.ready.count, state.opening)
      }
      if found { return }
      guard held <= Self.openingEventsMax, size <= Self.openingSizeMax else {
        throw ProviderFailure.malformed("no content in \(held) events")
      }
      guard try await read() else { throw ProviderFailure.malformed("the stream was empty") }
    }
  }

  func next() async throws -> RawValue? {
    while true {
      let (event, ended) = state.withLock { state in
        (state.ready.isEmpty ? nil : state.ready.removeFirst(), state.reader.hasEnded)
      }
      if let event { return event }
      if ended { return nil }
      guard try await read() else {
        if state.withLock({ $0.reader.isWhole }) { return nil }
        throw ProviderFailure.interrupted("the stream ended before its answer")
      }
      // Bytes alone prove nothing: a provider that only pings has stalled.
      let now = clock.monotonic
      let quiet = state.withLock { $0.ready.isEmpty ? now.milliseconds(since: $0.pieceAt) : 0 }
      guard quiet < idle else { throw ProviderFailure.interrupted("no content any more") }
    }
  }

  /// Takes in more of the stream; false at its end.
  private func read() async throws -> Bool {
    let bytes: [UInt8]?
    do { bytes = try await answer.next() } catch { throw ProviderFailure(transport: error) }
    guard let bytes else { return false }
    try state.withLock { state in
      let before = state.reader.pieces
      if before == 0 { state.opening += bytes.count }
      defer { if state.reader.pieces > before { state.pieceAt = clock.monotonic } }
      let events: [[UInt8]]
      do { events = try state.parser.consume(bytes) } catch {
        throw ProviderFailure.malformed("an event is too large")
      }
      for event in events where !state.reader.hasEnded {
        if let value = try state.reader.take(event) { state.ready.append(value) }
      }
    }
    return true
  }
}

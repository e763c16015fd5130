import DocumentKit
import HTTPKit
import RolloutCore

/// One attempt at one target: the caller's request with the target's model and clocks.
struct Attempt: Sendable {
  /// As the caller wrote it; `model`, `stream` and `stream_options` are the attempt's.
  var request: ChatRequest
  var target: GatewayConfiguration.Target
  /// Seconds left of the request's deadline, or of the target's own timeout when that is less.
  var seconds: Double
  /// Which of the provider's keys it goes out with.
  var key = 0
  /// Told of the head of every answer, for the limits it speaks of.
  var hear: @Sendable (HTTPAnswerHead) -> Void = { _ in }
  /// The time of day when it began, in milliseconds since 1970.
  var wall: Int64 = 0

  /// Seconds between two pieces of an answer; pings are none.
  var idle: Double { min(target.idle.seconds, seconds) }
}

/// A complete answer, in the provider's own dialect.
struct ProviderAnswer: Sendable {
  var body: RawObject
  var dialect = ChatDialect.openai
  var usage: Usage?
  var model: String
  /// Parameters that the provider's dialect has no counterpart for.
  var dropped: [String] = []
}

/// A streamed answer whose first content has arrived.
protocol ProviderStream: Sendable {
  /// The model that answers, as the provider says.
  var model: String { get }
  var dialect: ChatDialect { get }
  /// Parameters that the provider's dialect has no counterpart for.
  var dropped: [String] { get }
  /// The next chunk or event in its dialect, as it came; nil at the proper end. Throws
  /// `ProviderFailure`.
  func next() async throws -> RawValue?
}

/// Somebody who completes chats. Neither call retries; both end when the task is cancelled.
protocol Provider: Sendable {
  var name: String { get }
  /// Throws `ProviderFailure`.
  func complete(_ attempt: Attempt) async throws -> ProviderAnswer
  /// Returns once the first content is there, so that until then any other target may take over.
  /// Throws `ProviderFailure`.
  func stream(_ attempt: Attempt) async throws -> any ProviderStream
}

extension Attempt {
  /// The request's body in `dialect`, as `ChatRequest.body`; one that cannot be translated is its
  /// caller's error.
  func body(
    in dialect: ChatDialect, _ settings: [(key: String, value: Document?)]
  ) throws(ProviderFailure) -> (json: [UInt8], dropped: [String]) {
    do throws(DocumentError) { return try request.body(in: dialect, settings) } catch {
      throw .unusable(error)
    }
  }

  func translated(
    to dialect: ChatDialect
  ) throws(ProviderFailure) -> (body: Document, dropped: [String]) {
    do throws(DocumentError) { return try request.translated(to: dialect) } catch {
      throw .unusable(error)
    }
  }
}

import DocumentKit
import PlatformKit
import RolloutCore
import RolloutEvaluation
import Synchronization

/// A provider without a network: repeats the last user message. For demos and tests; it can be told
/// to be slow and to fail a share of its calls, evenly spread.
final class EchoProvider: Provider {
  private let settings: GatewayConfiguration.ProviderSettings
  private let calls = Atomic<Int>(0)

  private let clock: any MonotonicClock

  init(_ settings: GatewayConfiguration.ProviderSettings, clock: any MonotonicClock) {
    self.settings = settings
    self.clock = clock
  }

  var name: String { settings.name }

  func complete(_ attempt: Attempt) async throws -> ProviderAnswer {
    try await think(attempt)
    let (body, dropped) = try attempt.translated(to: .openai)
    let text = answer(body)
    let usage = usage(body, text)
    let completion = Document.object([
      "id": .string("chatcmpl-echo"),
      "object": .string("chat.completion"),
      "created": .int(0),
      "model": .string(attempt.target.model),
      "choices": .array([
        .object([
          "index": .int(0),
          "message": .object(["role": .string("assistant"), "content": .string(text)]),
          "finish_reason": .string("stop"),
        ])
      ]),
      "usage": usage,
    ])
    return ProviderAnswer(
      body: try RawObject(completion.json), usage: Usage(usage, .openai),
      model: attempt.target.model,
      dropped: dropped)
  }

  func stream(_ attempt: Attempt) async throws -> any ProviderStream {
    try await think(attempt)
    let (body, dropped) = try attempt.translated(to: .openai)
    let text = answer(body)
    return EchoStream(
      model: attempt.target.model, words: ChatChunk.pieces(of: text), usage: usage(body, text),
      dropped: dropped)
  }

  private func think(_ attempt: Attempt) async throws {
    let number = calls.wrappingAdd(1, ordering: .relaxed).newValue
    let latency = settings.latency.seconds
    let wait = Int(min(latency, attempt.seconds) * 1000)
    do { try await clock.sleep(milliseconds: wait) } catch {
      throw ProviderFailure.cancelled
    }
    if latency >= attempt.seconds { throw ProviderFailure.timeout }
    // Every so-many-th call: the same share in every run.
    let share = settings.failing.thousandths
    if number * share / 100_000 > (number - 1) * share / 100_000 {
      throw ProviderFailure.serverError(status: 500)
    }
  }

  private func answer(_ body: Document) -> String {
    let messages = body["messages"]?.array ?? []
    let last = messages.last { $0["role"]?.string == "user" }
    return "echo: " + (last?["content"].map(ChatChunk.text) ?? "")
  }

  /// Four bytes to a token, as a rule of thumb.
  private func usage(_ body: Document, _ text: String) -> Document {
    let input = (body["messages"]?.array ?? []).map { ($0["content"].map(ChatChunk.text) ?? "") }
    let prompt = input.reduce(0) { $0 + ($1.utf8.count + 3) / 4 }
    let completion = (text.utf8.count + 3) / 4
    return .object([
      "prompt_tokens": .int(prompt), "completion_tokens": .int(completion),
      "total_tokens": .int(prompt + completion),
    ])
  }
}

private final class EchoStream: ProviderStream {
  let model: String
  let dropped: [String]
  var dialect: ChatDialect { .openai }
  private let chunks: Mutex<[Document]>

  init(model: String, words: [String], usage: Document, dropped: [String]) {
    self.dropped = dropped
    self.model = model
    let maker = ChatChunk(id: "chatcmpl-echo", created: 0, model: model)
    chunks = Mutex(maker.answer(words, usage: usage))
  }

  func next() async throws -> RawValue? {
    if Task.isCancelled { throw ProviderFailure.cancelled }
    return chunks.withLock { $0.isEmpty ? nil : $0.removeFirst() }.map(RawValue.init)
  }
}

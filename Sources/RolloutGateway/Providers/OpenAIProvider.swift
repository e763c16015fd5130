import DocumentKit
import HTTPKit
import PlatformKit
import RolloutCore

/// Any server that speaks OpenAI's chat completions.
struct OpenAIProvider: Provider {
  let name: String
  private let address: ProviderAddress
  private let client: HTTPClient
  private let clock: any MonotonicClock

  init(
    settings: GatewayConfiguration.ProviderSettings, client: HTTPClient, clock: any MonotonicClock
  ) {
    name = settings.name
    self.clock = clock
    self.client = client
    address = ProviderAddress("\(settings.baseURL)/chat/completions", settings) {
      ("authorization", "Bearer \($0)")
    }
  }

  func complete(_ attempt: Attempt) async throws -> ProviderAnswer {
    let call = try call(attempt, streams: false)
    let (head, body): (HTTPAnswerHead, [UInt8])
    do { (head, body) = try await client.execute(call.http) } catch {
      throw failure(error)
    }
    attempt.hear(head)
    guard head.status == 200 else { throw classify(head, body, attempt) }
    guard let answer = try? RawObject(body) else {
      throw ProviderFailure.malformed("the answer is not JSON")
    }
    if let error = answer["error"], !error.isNull { throw classify(head, body, attempt) }
    let choices = answer["choices"]?.array ?? []
    guard !choices.isEmpty, choices.allSatisfy({ $0["message"]?.members != nil }) else {
      throw ProviderFailure.malformed("the answer has no choices")
    }
    guard choices.allSatisfy(\.isAnswer) else {
      throw ProviderFailure.malformed("the answer's message is empty")
    }
    return ProviderAnswer(
      body: answer, usage: Usage(answer["usage"], .openai),
      model: answer["model"]?.string ?? attempt.target.model, dropped: call.dropped)
  }

  func stream(_ attempt: Attempt) async throws -> any ProviderStream {
    let call = try call(attempt, streams: true)
    let answer: HTTPStream
    do { answer = try await client.stream(call.http) } catch { throw failure(error) }
    attempt.hear(answer.head)
    guard answer.head.status == 200 else {
      throw classify(answer.head, await answer.errorBody(), attempt)
    }
    let stream = ProviderEventStream(
      answer, ChunkReader(), model: attempt.target.model, dropped: call.dropped,
      idle: attempt.idle, clock: clock)
    try await stream.awaitContent()
    return stream
  }

  private func call(
    _ attempt: Attempt, streams: Bool
  ) throws(ProviderFailure) -> (http: HTTPCall, dropped: [String]) {
    let (body, dropped) = try attempt.body(
      in: .openai,
      attempt.request.settings(attempt.target.params, in: .openai) + [
        ("model", .string(attempt.target.model)), ("stream", streams ? .bool(true) : nil),
        ("stream_options", streams ? .object(["include_usage": .bool(true)]) : nil),
      ])
    return (address.call(body, attempt, streams: streams), dropped)
  }

  private func failure(_ error: any Error) -> ProviderFailure { ProviderFailure(transport: error) }

  /// The same status means different things: the body decides.
  private func classify(
    _ head: HTTPAnswerHead, _ body: [UInt8], _ attempt: Attempt
  ) -> ProviderFailure {
    let error = (try? JSONReader.read(body))?["error"]
    let code = error?["code"]?.string ?? error?["type"]?.string ?? ""
    let message = error?["message"]?.string ?? ""
    switch head.status {
    case 429 where code == "insufficient_quota" || code == "credit_balance_exhausted":
      return .outOfMoney
    case 429: return .throttled(retryAfter: head.retryAfter(wall: attempt.wall))
    case 402: return .outOfMoney
    case 401: return .credentialRefused
    case 403: return .permissionDenied
    case 404: return .modelNotFound
    case 400 where code == "model_not_found": return .modelNotFound
    case 400, 413, 422:
      return .callerError(status: head.status, message: message.isEmpty ? code : message)
    case 503 where code.contains("overloaded"), 529: return .overloaded
    case 200: return .serverError(status: 502)
    default: return .serverError(status: head.status)
    }
  }
}

extension ProviderFailure {
  /// What went wrong below HTTP.
  init(transport error: any Error) {
    switch error as? HTTPFailure {
    case .unreachable(let why): self = .unreachable(why)
    case .timeout(.connect): self = .unreachable("connect timeout")
    case .timeout: self = .timeout
    case .broken(let why): self = .unreachable(why)
    case .tooLarge: self = .malformed("the answer is too large")
    case .invalidRequest(let why): self = .malformed(why)
    case .cancelled, nil: self = .cancelled
    }
  }
}

extension TimeSpan {
  var seconds: Double { Double(milliseconds) / 1000 }
}

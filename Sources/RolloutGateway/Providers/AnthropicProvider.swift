import DocumentKit
import HTTPKit
import PlatformKit
import RolloutCore

/// Any server that speaks Anthropic's messages.
struct AnthropicProvider: Provider {
  /// The version of the API that the shapes here are of.
  private static let version = "2023-06-01"

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
    address = ProviderAddress(
      "\(settings.baseURL)/v1/messages", settings, shared: [("anthropic-version", Self.version)]
    ) { ("x-api-key", $0) }
  }

  func complete(_ attempt: Attempt) async throws -> ProviderAnswer {
    let call = try call(attempt, streams: false)
    let (head, body): (HTTPAnswerHead, [UInt8])
    do { (head, body) = try await client.execute(call.http) } catch {
      throw ProviderFailure(transport: error)
    }
    attempt.hear(head)
    guard head.status == 200 else { throw classify(head, body, attempt) }
    let answer = try? RawObject(body)
    if let error = answer?["error"], !error.isNull { throw classify(head, body, attempt) }
    guard let answer,
      answer["content"]?.isMessage(stop: answer["stop_reason"]) == true
    else {
      throw ProviderFailure.malformed("the answer is no message")
    }
    return ProviderAnswer(
      body: answer, dialect: .anthropic, usage: Usage(answer["usage"], .anthropic),
      model: answer["model"]?.string ?? attempt.target.model, dropped: call.dropped)
  }

  func stream(_ attempt: Attempt) async throws -> any ProviderStream {
    let call = try call(attempt, streams: true)
    let answer: HTTPStream
    do { answer = try await client.stream(call.http) } catch {
      throw ProviderFailure(transport: error)
    }
    attempt.hear(answer.head)
    guard answer.head.status == 200 else {
      throw classify(answer.head, await answer.errorBody(), attempt)
    }
    let stream = ProviderEventStream(
      answer, MessageReader(), model: attempt.target.model, dropped: call.dropped,
      idle: attempt.idle, clock: clock)
    try await stream.awaitContent()
    return stream
  }

  private func call(
    _ attempt: Attempt, streams: Bool
  ) throws(ProviderFailure) -> (http: HTTPCall, dropped: [String]) {
    var members: [(key: String, value: Document?)] = []
    // Required there; a translated request has one already.
    if attempt.request.dialect == .anthropic, attempt.request["max_tokens"] == nil {
      members.append(("max_tokens", .int(OutputBound.tokensDefault)))
    }
    members += attempt.request.settings(attempt.target.params, in: .anthropic)
    members.append(("model", .string(attempt.target.model)))
    members.append(("stream", streams ? .bool(true) : nil))
    let (body, dropped) = try attempt.body(in: .anthropic, members)
    return (address.call(body, attempt, streams: streams), dropped)
  }

  private func classify(
    _ head: HTTPAnswerHead, _ body: [UInt8], _ attempt: Attempt
  ) -> ProviderFailure {
    let error = (try? JSONReader.read(body))?["error"]
    if error?["details"]?["error_code"]?.string == "enforced_spend_limit_reached" {
      return .outOfMoney
    }
    if head.status == 429 { return .throttled(retryAfter: head.retryAfter(wall: attempt.wall)) }
    return Self.failure(error, status: head.status)
  }

  /// The type says more than the status: an overload can come as 529, and inside a stream.
  static func failure(_ error: Document?, status: Int) -> ProviderFailure {
    let message = error?["message"]?.string ?? ""
    switch (error?["type"]?.string, status) {
    case ("overloaded_error", _), (_, 529): return .overloaded
    case ("rate_limit_error", _), (_, 429): return .throttled(retryAfter: nil)
    case ("billing_error", _), (_, 402): return .outOfMoney
    case ("authentication_error", _), (_, 401): return .credentialRefused
    case ("permission_error", _), (_, 403): return .permissionDenied
    case ("not_found_error", _), (_, 404): return .modelNotFound
    case ("invalid_request_error", _), ("request_too_large", _), (_, 400), (_, 413), (_, 422):
      // An empty account is refused as an invalid request.
      if message.contains("credit balance") || message.contains("spend limit") {
        return .outOfMoney
      }
      let known = status == 200 || status == 502 ? 400 : status
      return .callerError(status: known, message: message)
    default: return .serverError(status: status)
    }
  }
}

extension HTTPStream {
  /// At most 64 KiB of an error's body; nothing when it does not come.
  func errorBody() async -> [UInt8] {
    var body: [UInt8] = []
    while body.count < 65_536, let more = try? await next() { body += more }
    return body
  }
}

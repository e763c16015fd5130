import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway

/// The native form: a prompt in, a flat answer out, whoever served it.
extension ChatEndpoint {
  func native(_ request: APIRequest, _ exchange: Exchange) async {
    do throws(Problem) {
      var call = try self.call(request, try ChatRequest(native: try request.json()))
      if let problem = limit(&call) {
        exchange.respond(Dialect.native.error(problem, headers: call.headers(.refused("limit"))))
        return
      }
      exchange.respond(response(call, await answer(call)))
    } catch {
      exchange.respond(Dialect.native.error(error))
    }
  }

  func response(_ call: ChatCall, _ answer: Answer) -> HTTPResponse {
    switch answer {
    case .provider(let completion):
      let answer = call.shapes.answerDocument(completion, at: clock.now)
      let choice = answer["choices"]?.array?.first
      return .json(
        .object([
          "enabled": .bool(true),
          "served_by": .string("provider"),
          "reason": .string(completion.trail.isFallbackModel ? "fallback_target" : "ok"),
          "content": choice?["message"]?["content"] ?? .null,
          "provider": .string(completion.trail.provider),
          "model": .string(completion.trail.model),
          "attempts": .int(completion.trail.attempts),
          "usage": completion.usage.map {
            .object(["input_tokens": .int($0.inputTokens), "output_tokens": .int($0.outputTokens)])
          } ?? .null,
          "cost_usd": completion.cost.map { .double($0.dollars) } ?? .null,
          "request_id": .string(call.requestID),
        ]),
        headers: call.headers(
          .provider(completion.trail, completion.cost, dropped: completion.dropped)))
    case .fallback(let text, let reason, let attempts):
      return .json(
        .object([
          "enabled": .bool(call.decision?.enabled == true),
          "served_by": .string("fallback"),
          "reason": .string(reason),
          "content": .string(text),
          "provider": .null,
          "model": .null,
          "attempts": .int(attempts),
          "usage": .null,
          "cost_usd": .int(0),
          "request_id": .string(call.requestID),
        ]), headers: call.headers(.fallback(reason, attempts)))
    case .cached(let answer, let isStale):
      return .json(
        .object([
          "enabled": .bool(true),
          "served_by": .string(isStale ? "stale_cache" : "cache"),
          "reason": .string(isStale ? "all_targets_failed" : "ok"),
          "content": .string(answer.text),
          "provider": .string(answer.provider),
          "model": .string(answer.model),
          "attempts": .int(0),
          "usage": .null,
          "cost_usd": .int(0),
          "request_id": .string(call.requestID),
        ]), headers: headers(call, answer, isStale))
    case .error(let response): return nativeError(response)
    }
  }

  /// The same error as a problem.
  private func nativeError(_ response: HTTPResponse) -> HTTPResponse {
    let error = (try? JSONReader.read(response.body))?["error"]
    var problem = HTTPResponse.problem(
      status: response.status, code: error?["code"]?.string ?? "failed",
      detail: error?["message"]?.string ?? "The request failed; try again.")
    problem.headers = response.headers
    return problem
  }
}

extension ChatRequest {
  /// `{"user","prompt"|"messages","max_tokens"}` as a chat completion request.
  init(native document: Document) throws(Problem) {
    do throws(DocumentError) {
      var reader = try ObjectReader(document)
      let prompt = try reader.string("prompt")
      let messages = reader.optional("messages")
      let user = try reader.text("user")
      let maxTokens = reader.optional("max_tokens")
      try reader.finish()
      guard (prompt == nil) != (messages == nil),
        messages.map({ $0.array?.isEmpty == false }) ?? true
      else {
        throw reader.error("prompt", "Send either prompt, or messages that are not empty.")
      }
      let body = Document.object([
        "messages": messages
          ?? .array([.object(["role": .string("user"), "content": .string(prompt ?? "")])]),
        "user": user.map { .string($0) },
        "max_tokens": maxTokens,
      ])
      try self.init(try RawObject(body.json))
    } catch { throw Problem(.badRequest, "\(error)") }
  }
}

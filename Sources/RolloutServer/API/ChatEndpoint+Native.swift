import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutGateway

/// The native form: a prompt in, a flat answer out, whoever served it.
extension ChatEndpoint {
  func native(_ request: APIRequest, _ exchange: Exchange) async {
    do throws(Problem) {
      let asked = try self.request(request, try ChatRequest(native: try request.json()))
      let (call, answer) = await service.answer(to: asked)
      let headers = call.headers(answer)
      do throws(Problem) {
        let body = try answer.native(call, at: service.clock.now)
        exchange.respond(.json(body, headers: headers))
      } catch { exchange.respond(Dialect.native.written(error, headers)) }
    } catch {
      exchange.respond(Dialect.native.error(error))
    }
  }
}

extension AIAnswer {
  /// The native answer, which jobs keep as their result. Throws what there is in its place.
  func native(_ call: AICall, at now: Instant) throws(Problem) -> Document {
    switch self {
    case .provider(let completion):
      let answer = ChatShapes(dialect: .openai).document(completion, at: now)
      return Self.native(
        call, servedBy: "provider",
        reason: completion.trail.isFallbackModel ? "fallback_target" : "ok",
        content: answer["choices"]?.array?.first?["message"]?["content"] ?? .null,
        by: (completion.trail.provider, completion.trail.model),
        attempts: completion.trail.attempts,
        usage: completion.usage.map {
          .object(["input_tokens": .int($0.inputTokens), "output_tokens": .int($0.outputTokens)])
        } ?? .null,
        cost: completion.cost.map { .double($0.dollars) } ?? .null)
    case .fallback(let text, let reason, let attempts):
      return Self.native(
        call, servedBy: "fallback", reason: reason.rawValue, content: .string(text),
        attempts: attempts)
    case .cached(let cached, let isStale, _):
      return Self.native(
        call, servedBy: isStale ? "stale_cache" : "cache",
        reason: isStale ? Reason.allTargetsFailed.rawValue : "ok", content: .string(cached.text),
        by: (cached.provider, cached.model))
    case .none(let why): throw why.problem(of: call.feature, for: .openai)
    }
  }

  private static func native(
    _ call: AICall, servedBy: String, reason: String, content: Document,
    by target: (provider: String, model: String)? = nil, attempts: Int = 0,
    usage: Document = .null, cost: Document = .int(0)
  ) -> Document {
    .object([
      "enabled": .bool(call.isEnabled),
      "served_by": .string(servedBy),
      "reason": .string(reason),
      "content": content,
      "provider": target.map { .string($0.provider) } ?? .null,
      "model": target.map { .string($0.model) } ?? .null,
      "attempts": .int(attempts),
      "usage": usage,
      "cost_usd": cost,
      "request_id": .string(call.requestID),
    ])
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

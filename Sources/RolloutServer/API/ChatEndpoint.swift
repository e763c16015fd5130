import DocumentKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutGateway

/// Chats in OpenAI's and Anthropic's dialects, and what there is to chat with.
struct ChatEndpoint: Sendable {
  /// Bytes of a chat request: long prompts and pictures.
  static let bodySizeMax = 32 << 20

  let service: AIService

  /// Each request is answered by the service that is current when it comes, to its end.
  static func routes(_ current: Current<AIService>) -> [Route] {
    func route(
      _ path: String, query: Route.Query = .ignored,
      _ answer: @escaping @Sendable (ChatEndpoint, APIRequest, Exchange) async -> Void
    ) -> Route {
      Route(
        .post, path, .scopes([.evaluate]), featureLimit: .path, query: query,
        bodySizeMax: bodySizeMax,
        .exchange { await answer(ChatEndpoint(service: current.value), $0, $1) })
    }
    return [
      route("/features/{feature}/v1/chat/completions") { await $0.serve($1, .openai, $2) },
      route("/features/{feature}/v1/messages") { await $0.serve($1, .anthropic, $2) },
      route("/v1/features/{feature}/complete", query: .none) { await $0.native($1, $2) },
      Route(
        .get, "/features/{feature}/v1/models", .scopes([.evaluate]), featureLimit: .path,
        query: .ignored,
        .task { try await ChatEndpoint(service: current.value).models($0) }),
      Route(
        .get, "/v1/providers", .scopes([.view]),
        .task { try await ChatEndpoint(service: current.value).providers($0) }),
    ]
  }

  // MARK: Small reads

  private func models(_ request: APIRequest) async throws -> HTTPResponse {
    let compiled = try service.plan(request.parameters[0])
    let route = compiled.plan.definition.route.flatMap {
      service.gateway.configuration.routes[$0]
    }
    var names = [compiled.plan.feature]
    for target in route?.targets ?? [] where !names.contains(target.model) {
      names.append(target.model)
    }
    let created = compiled.plan.createdAt.milliseconds / 1000
    return .json(
      .object([
        "object": .string("list"),
        "data": .array(
          names.map { name in
            .object([
              "id": .string(name), "object": .string("model"), "created": .int(created),
              "owned_by": .string("rollout"),
            ])
          }),
      ]))
  }

  private func providers(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let gateway = service.gateway
    let all = gateway.statistics()
    let gates = gateway.gateStatuses()
    let settings = gateway.configuration.providers.values.sorted { $0.name < $1.name }
    let entries = settings.map { provider in
      let gate = gates[provider.name]
      let rejected = (gate?.rejected ?? [:]).map { ($0.key.rawValue, $0.value) }
      return ProviderList.Entry(
        name: provider.name, kind: provider.kind.rawValue,
        keys: (gate?.keys ?? []).map(ProviderList.Key.init),
        models: all.filter { $0.provider == provider.name }.map(ProviderList.Model.init),
        inFlight: gate?.inFlight ?? 0, queued: gate?.queued ?? 0,
        rejected: Dictionary(uniqueKeysWithValues: rejected),
        requestsPerMinute: gate?.requestsPerMinute, tokensPerMinute: gate?.tokensPerMinute)
    }
    return try .json(ProviderList(providers: entries))
  }

  // MARK: Chats

  private func serve(
    _ request: APIRequest, _ dialect: ChatDialect, _ exchange: Exchange
  ) async {
    do throws(Problem) {
      let chat = try Self.chat(request, dialect)
      guard chat.hasMessages else {
        throw Problem(.badRequest, "messages must be a list that is not empty.")
      }
      let wantsStream = try Self.wantsStream(chat)
      let asked = try self.request(request, chat, isStreamed: wantsStream)
      switch await service.reply(to: asked) {
      case .whole(let call, let answer): await respond(call, answer, exchange)
      case .stream(let stream): await pass(stream, exchange)
      }
    } catch {
      exchange.respond(Dialect(dialect).error(error))
    }
  }

  private static func chat(
    _ request: APIRequest, _ dialect: ChatDialect
  ) throws(Problem) -> ChatRequest {
    let raw = try request.rawObject()
    do throws(DocumentError) { return try ChatRequest(raw, dialect: dialect) } catch {
      throw Problem(.badRequest, error.message)
    }
  }

  private static func wantsStream(_ chat: ChatRequest) throws(Problem) -> Bool {
    guard let value = chat["stream"], !value.isNull else { return false }
    guard let wants = value.bool else {
      throw Problem(.badRequest, "stream must be true or false, not \(value.kind).")
    }
    return wants
  }

  /// What is asked of the service: who and what the fields beside the chat say, too.
  func request(
    _ request: APIRequest, _ chat: ChatRequest, isStreamed: Bool = false
  ) throws(Problem) -> AIRequest {
    let compiled = try service.plan(request.parameters[0])
    return try AIRequest(
      chat, of: compiled, app: request.principal.tokenID, user: request.field("x-rollout-user"),
      attributes: try Attributes(field: request.field("x-rollout-attributes")),
      isStreamed: isStreamed, isInForce: { [principal = request.principal] in principal.isInForce })
  }

  /// An answer that did not come as a stream, as one where one was asked for.
  private func respond(_ call: AICall, _ answer: AIAnswer, _ exchange: Exchange) async {
    let shapes = ChatShapes(dialect: call.request.dialect)
    guard call.isStreamed, let frames = shapes.stream(call, answer) else {
      exchange.respond(shapes.response(call, answer, at: service.clock.now))
      return
    }
    begin(exchange, call.headers(answer))
    do {
      for bytes in frames { try await exchange.write(bytes) }
      exchange.finish()
    } catch {
      exchange.abort()
    }
  }

  /// Passes a stream on as its reader takes it. Nothing was sent before its first content, and a
  /// broken one never ends as if it were whole.
  private func pass(_ stream: consuming AnswerStream, _ exchange: Exchange) async {
    let writer = ChatStreamWriter(stream.call.request)
    begin(exchange, stream.call.headers(streamedBy: stream.trail, dropped: stream.dropped))
    switch await stream.deliver({ try await exchange.write(writer.frame($0)) }) {
    case .whole: try? await exchange.write(writer.end)
    case .broken: try? await exchange.write(writer.interruption)
    case .left: return
    }
    exchange.finish()
  }

  private func begin(_ exchange: Exchange, _ headers: AICall.Headers) {
    exchange.begin(
      status: 200, contentType: "text/event-stream",
      headers: headers + [("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")])
  }
}

extension Attributes {
  /// `X-Rollout-Attributes: {"email":"a@acme.com"}`, for rules of a plan's stages.
  init(field: String?) throws(Problem) {
    self = [:]
    guard let field else { return }
    guard let members = try? JSONReader.read(Array(field.utf8)).members else {
      throw Problem(.badRequest, "X-Rollout-Attributes must be a JSON object.")
    }
    self = try EvaluationContext(attributes: members, path: "X-Rollout-Attributes").attributes
  }
}

extension ProviderList.Key {
  fileprivate init(_ key: KeyStatus) {
    self.init(
      name: key.name, state: key.state.rawValue, inFlight: key.inFlight, requests: key.requests)
  }
}

extension ProviderList.Model {
  fileprivate init(_ target: TargetStatus) {
    self.init(
      model: target.model, breaker: target.breaker, inFlight: target.inFlight,
      requests: target.requests, failures: target.failures,
      latencyMsP50: target.latencies.quantile(0.5), latencyMsP95: target.latencies.quantile(0.95),
      latencyMsP99: target.latencies.quantile(0.99))
  }
}

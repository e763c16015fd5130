import DocumentKit
import HTTPKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation

/// The native evaluation paths. All of them answer on the loop, from memory.
enum DecisionEndpoint {
  static var routes: [Route] {
    func route(
      _ method: HTTPMethod, _ path: String,
      _ answer: @escaping @Sendable (InlineRequest, Reply) -> Void
    ) -> Route {
      Route(
        method, path, .scopes([.evaluate, .view]), featureLimit: .respected,
        query: method == .get ? .checked : .none, .inline(answer))
    }
    return [
      route(.get, "/v1/features/{feature}/decision", get),
      route(.post, "/v1/features/{feature}/decision", post),
      route(.post, "/v1/features/{feature}/decisions", manyUsers),
      route(.post, "/v1/decisions", manyFeatures),
    ]
  }

  /// Runs `body`, answering what it throws as a problem.
  static func answering(
    _ reply: Reply, _ body: () throws(Problem) -> [UInt8]?
  ) {
    do throws(Problem) {
      // Nothing, where somebody else will answer.
      if let body = try body() { reply.send(HTTPResponse(status: 200, body: body)) }
    } catch {
      reply.send(Dialect.native.error(error))
    }
  }

  private static func get(_ request: InlineRequest, _ reply: Reply) {
    if answersPlainUser(request, reply) { return }
    answering(reply) { () throws(Problem) in
      let rendered = try plan(request, request.parameter(0))
      if request.moves(reply, cost: rendered.compiled.evaluator.cost, to: get) { return nil }
      guard let items = decodedQuery(request.view.query) else {
        throw Problem(.badRequest, "The query is not percent-encoded UTF-8.")
      }
      var context = EvaluationContext(user: nil)
      var explain = false
      var seen: Set<String> = []
      for item in items {
        guard seen.insert(item.name).inserted else {
          throw Problem(.badRequest, "The query parameter \(quoted(item.name)) stands twice.")
        }
        switch item.name {
        case "user": context.user = item.value
        case "explain": explain = try flag(item)
        case let name where name.hasPrefix("attr."):
          context.attributes.append(String(name.dropFirst(5)), .text(item.value))
        default:
          throw Problem(
            .badRequest,
            "Unknown query parameter \(quoted(item.name)); known: user, explain, attr.<name>.")
        }
      }
      try context.check()
      return try decision(rendered, context, for: request.principal.account, explain: explain)
    }
  }

  /// The question nearly every app asks, `?user=<id>` and nothing else to decode, answered without
  /// an allocation. False leaves everything, errors too, to the general way.
  private static func answersPlainUser(_ request: InlineRequest, _ reply: Reply) -> Bool {
    let query = request.view.query
    guard query.hasPrefix("user="), query.count > 5, query.count <= 5 + UserID.lengthMax,
      request.principal.features == nil
    else { return false }
    let user = query[5..<query.count]
    for index in 0..<user.count {
      switch user[index] {
      case UInt8(ascii: "%"), UInt8(ascii: "+"), UInt8(ascii: "&"): return false
      default: continue
      }
    }
    let key = request.parameter(0).buffer
    guard let index = request.snapshot.index(key.span) else { return false }
    let rendered = request.served.rendered(index)
    let bytes = user.buffer
    guard let decision = try? rendered.compiled.evaluator.decide(user: bytes.span) else {
      return false
    }
    let account = request.principal.account
    reply.sendJSON { rendered.write(decision, user: user, for: account, to: &$0) }
    return true
  }

  private static func flag(_ item: (name: String, value: String)) throws(Problem) -> Bool {
    switch item.value {
    case "true", "1", "": return true
    case "false", "0": return false
    default: throw Problem(.badRequest, "\(item.name) must be true or false.")
    }
  }

  private static func post(_ request: InlineRequest, _ reply: Reply) {
    answering(reply) { () throws(Problem) in
      let rendered = try plan(request, request.parameter(0))
      if request.moves(reply, cost: rendered.compiled.evaluator.cost, to: post) { return nil }
      let (context, explain) = try userBody(request)
      let cost = rendered.compiled.evaluator.cost * context.attributes.weight
      if request.moves(reply, cost: cost, to: post) { return nil }
      return try decision(rendered, context, for: request.principal.account, explain: explain)
    }
  }

  private static func userBody(
    _ request: InlineRequest
  ) throws(Problem) -> (EvaluationContext, Bool) {
    do {
      var reader = try ObjectReader(JSONReader.read(request.view.body.array))
      let context = try EvaluationContext(native: reader.optional("user"))
      let explain = try reader.bool("explain") ?? false
      try reader.finish()
      return (context, explain)
    } catch let error as DocumentError { throw Problem(.badRequest, "\(error)") } catch {
      throw Problem(error)
    }
  }

  static func plan(
    _ request: InlineRequest, _ parameter: ByteView
  ) throws(Problem) -> RenderedPlan {
    guard let feature = percentDecoded(parameter) else {
      throw Problem(.badRequest, "The path is not percent-encoded UTF-8.")
    }
    return try named(request, feature)
  }

  private static func named(
    _ request: InlineRequest, _ feature: String
  ) throws(Problem) -> RenderedPlan {
    request.served.rendered(try index(request, feature))
  }

  /// Where the plan of a feature stands in the snapshot, if the token may see it.
  static func index(_ request: InlineRequest, _ feature: String) throws(Problem) -> Int {
    guard request.principal.may(use: feature) else {
      throw Problem(.forbidden, "The token is limited to other features.")
    }
    let key = Array(feature.utf8)
    guard let index = request.snapshot.index(key.span) else {
      throw Problem(
        .notFound, "There is no feature \(quoted(feature)); rollout plan list shows all.")
    }
    return index
  }

  private static func decision(
    _ plan: RenderedPlan, _ context: EvaluationContext, for account: Int, explain: Bool
  ) throws(Problem) -> [UInt8] {
    var body = OutputBuffer()
    try write(plan, context, for: account, explain: explain, to: &body)
    return body.array
  }

  static func write(
    _ rendered: RenderedPlan, _ context: EvaluationContext, for account: Int, explain: Bool,
    to body: inout OutputBuffer
  ) throws(Problem) {
    let decision: Decision
    do throws(UserRequired) { decision = try rendered.compiled.decide(context) } catch {
      throw Problem(
        .userRequired,
        "\(rendered.compiled.plan.feature) is decided by percentage: send the user's id.")
    }
    let because = explain ? rendered.compiled.evaluator.because(decision) : nil
    let user = context.user.map { Array($0.utf8) } ?? []
    user.withUnsafeBufferPointer { bytes in
      rendered.write(
        decision, user: context.user == nil ? nil : ByteView(bytes), for: account, because: because,
        to: &body)
    }
  }
}

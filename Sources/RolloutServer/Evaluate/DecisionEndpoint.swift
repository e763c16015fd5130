import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore

/// The native evaluation paths. All of them answer on the loop, from memory.
enum DecisionEndpoint {
  static let usersMax = 10_000

  static let routes = [
    Route(.get, "/v1/features/{feature}/decision", .scopes([.evaluate]), .inline(get)),
    Route(.post, "/v1/features/{feature}/decision", .scopes([.evaluate]), .inline(post)),
    Route(.post, "/v1/features/{feature}/decisions", .scopes([.evaluate]), .inline(manyUsers)),
    Route(.post, "/v1/decisions", .scopes([.evaluate]), .inline(manyFeatures)),
  ]

  /// Runs `body`, answering what it throws as a problem.
  private static func answering(
    _ reply: inout Reply, _ body: () throws(Problem) -> [UInt8]
  ) {
    do throws(Problem) {
      reply.send(HTTPResponse(status: 200, body: try body()))
    } catch {
      reply.send(Dialect.native.error(error))
    }
  }

  private static func get(_ request: InlineRequest, _ reply: inout Reply) {
    answering(&reply) { () throws(Problem) in
      let plan = try plan(request, request.parameters[0])
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
      return try decision(plan, context, explain: explain)
    }
  }

  private static func flag(_ item: (name: String, value: String)) throws(Problem) -> Bool {
    switch item.value {
    case "true", "1", "": return true
    case "false", "0": return false
    default: throw Problem(.badRequest, "\(item.name) must be true or false.")
    }
  }

  private static func post(_ request: InlineRequest, _ reply: inout Reply) {
    answering(&reply) { () throws(Problem) in
      let plan = try plan(request, request.parameters[0])
      let (context, explain) = try userBody(request)
      return try decision(plan, context, explain: explain)
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
      throw Problem(error, context: .reading)
    }
  }

  private static func manyUsers(_ request: InlineRequest, _ reply: inout Reply) {
    answering(&reply) { () throws(Problem) in
      let plan = try plan(request, request.parameters[0])
      do {
        var reader = try ObjectReader(JSONReader.read(request.view.body.array))
        guard let users = try reader.list("users") else {
          throw Problem(.badRequest, "users is missing: send {\"users\":[{\"id\":\"…\"}]}.")
        }
        try reader.finish()
        guard users.count <= usersMax else {
          throw Problem(.tooMany, "At most \(usersMax) users in one call; split the list.")
        }
        let contexts = try users.map { try EvaluationContext(native: $0.element) }
        return try list(contexts.map { (plan, $0) })
      } catch let error as DocumentError { throw Problem(.badRequest, "\(error)") } catch {
        throw Problem(error, context: .reading)
      }
    }
  }

  private static func manyFeatures(_ request: InlineRequest, _ reply: inout Reply) {
    answering(&reply) { () throws(Problem) in
      do {
        var reader = try ObjectReader(JSONReader.read(request.view.body.array))
        let context = try EvaluationContext(native: reader.optional("user"))
        let names = try reader.texts("features")
        try reader.finish()
        let plans = try names.map { try $0.map { try named(request, $0) } }
        let visible = request.snapshot.plans.filter {
          request.principal.may(use: $0.plan.feature)
        }
        return try list((plans ?? visible).map { ($0, context) })
      } catch let error as DocumentError { throw Problem(.badRequest, "\(error)") } catch {
        throw Problem(error, context: .reading)
      }
    }
  }

  private static func list(
    _ pairs: [(plan: CompiledPlan, context: EvaluationContext)]
  ) throws(Problem) -> [UInt8] {
    var body = Array("{\"decisions\":[".utf8)
    for (index, pair) in pairs.enumerated() {
      if index > 0 { body.append(UInt8(ascii: ",")) }
      body += try decision(pair.plan, pair.context, explain: false)
    }
    return body + Array("]}".utf8)
  }

  private static func plan(
    _ request: InlineRequest, _ parameter: ByteView
  ) throws(Problem) -> CompiledPlan {
    guard let feature = percentDecoded(parameter) else {
      throw Problem(.badRequest, "The path is not percent-encoded UTF-8.")
    }
    return try named(request, feature)
  }

  private static func named(
    _ request: InlineRequest, _ feature: String
  ) throws(Problem) -> CompiledPlan {
    guard request.principal.may(use: feature) else {
      throw Problem(.forbidden, "The token is limited to other features.")
    }
    guard let plan = request.snapshot.plan(feature) else {
      throw Problem(
        .notFound, "There is no feature \(quoted(feature)); rollout plan list shows all.")
    }
    return plan
  }

  private static func decision(
    _ plan: CompiledPlan, _ context: EvaluationContext, explain: Bool
  ) throws(Problem) -> [UInt8] {
    let decision: Decision
    do throws(UserRequired) { decision = try plan.decide(context) } catch {
      throw Problem(
        .userRequired, "\(plan.plan.feature) is decided by percentage: send the user's id.")
    }
    let view = DecisionView(
      feature: plan.plan.feature, user: context.user, enabled: decision.enabled,
      variant: decision.enabled ? "on" : "off", cohort: plan.cohortName(decision),
      stage: plan.stageName, bucket: decision.bucket, reason: decision.reason.rawValue,
      planVersion: plan.plan.version, because: explain ? plan.because(decision) : nil)
    return view.json
  }
}

extension CommandContext {
  /// For errors of reading, where no command is under way.
  static var reading: CommandContext {
    CommandContext(actor: .monitor, reason: "", now: Instant(milliseconds: 0))
  }
}

extension DecisionView {
  /// Written by hand: this is the hottest answer there is.
  fileprivate var json: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("feature")
    writer.string(feature)
    if let user {
      writer.key("user")
      writer.string(user)
    }
    writer.key("enabled")
    writer.bool(enabled)
    writer.key("variant")
    writer.string(variant)
    writer.key("cohort")
    writer.string(cohort)
    writer.key("stage")
    writer.string(stage)
    if let bucket {
      writer.key("bucket")
      writer.int(bucket)
    }
    writer.key("reason")
    writer.string(reason)
    writer.key("plan_version")
    writer.int(planVersion)
    if let because {
      writer.key("because")
      writer.string(because)
    }
    writer.endObject()
    return writer.bytes
  }
}

import DocumentKit
import HTTPKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation

/// Many decisions in one call. What would take a loop too long leaves it.
extension DecisionEndpoint {
  static let usersMax = 10_000
  /// Distinct features of one call.
  static let featuresMax = 1000
  /// Bytes that one more user takes in a body at least; how many there are is not known before.
  private static let userSizeMin = 8

  static func manyUsers(_ request: InlineRequest, _ reply: Reply) {
    answering(reply) { () throws(Problem) in
      let rendered = try plan(request, request.parameter(0))
      let guess = request.view.body.count / userSizeMin * rendered.compiled.evaluator.cost
      if request.moves(reply, cost: guess, to: manyUsers) { return nil }
      do {
        var reader = try ObjectReader(JSONReader.read(request.view.body.array))
        guard let users = try reader.list("users") else {
          throw Problem(.badRequest, "users is missing: send {\"users\":[{\"id\":\"…\"}]}.")
        }
        try reader.finish()
        // A plan whose rules look at much is asked about for fewer users at once.
        let usersMax = min(Self.usersMax, LongWork.costMax / rendered.compiled.evaluator.cost)
        guard users.count <= usersMax else {
          throw Problem(
            .tooMany, "At most \(usersMax) users of this plan in one call; split the list.")
        }
        let contexts = try users.map { try EvaluationContext(native: $0.element) }
        // Lists are looked at element by element.
        let weight = contexts.reduce(0) { $0 + $1.attributes.weight }
        guard contexts.count <= 1 || weight <= LongWork.costMax / rendered.compiled.evaluator.cost
        else {
          throw Problem(.tooMany, "Too many lists among the attributes for one call; split it.")
        }
        return try list(contexts.map { (rendered, $0) }, for: request.principal.account)
      } catch let error as DocumentError { throw Problem(.badRequest, "\(error)") } catch {
        throw Problem(error)
      }
    }
  }

  static func manyFeatures(_ request: InlineRequest, _ reply: Reply) {
    if request.moves(reply, to: manyFeatures) { return }
    answering(reply) { () throws(Problem) in
      do {
        var reader = try ObjectReader(JSONReader.read(request.view.body.array))
        let context = try EvaluationContext(native: reader.optional("user"))
        let names = try reader.texts("features")
        try reader.finish()
        let plans = try names.map { try distinct($0, request) } ?? visible(request)
        let cost =
          plans.reduce(0) { $0 + request.served.cost($1) } * context.attributes.weight
        if request.moves(reply, cost: cost, to: manyFeatures) { return nil }
        return try list(
          plans.map { (request.served.rendered($0), context) }, for: request.principal.account)
      } catch let error as DocumentError { throw Problem(.badRequest, "\(error)") } catch {
        throw Problem(error)
      }
    }
  }

  /// The plans of these features; one that is named again is answered once.
  private static func distinct(
    _ names: [String], _ request: InlineRequest
  ) throws(Problem) -> [Int] {
    var known: Set<String> = []
    var plans: [Int] = []
    for name in names where known.insert(name).inserted {
      guard known.count <= featuresMax else {
        throw Problem(.tooMany, "At most \(featuresMax) features in one call; split the list.")
      }
      plans.append(try index(request, name))
    }
    return plans
  }

  private static func visible(_ request: InlineRequest) -> [Int] {
    request.snapshot.plans.indices.filter {
      request.principal.may(use: request.snapshot.plans[$0].plan.feature)
    }
  }

  private static func list(
    _ pairs: [(plan: RenderedPlan, context: EvaluationContext)], for account: Int
  ) throws(Problem) -> [UInt8] {
    var body = OutputBuffer()
    body.append("{\"decisions\":[")
    for (index, pair) in pairs.enumerated() {
      if index > 0 { body.append(",") }
      try write(pair.plan, pair.context, for: account, explain: false, to: &body)
    }
    body.append("]}")
    return body.array
  }
}

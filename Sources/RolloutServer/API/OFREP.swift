import DigestKit
import DocumentKit
import HTTPKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutStore

/// OpenFeature Remote Evaluation Protocol 0.3.0.
enum OFREP {
  static let eventsPath = "/ofrep/v1/events"

  static var routes: [Route] {
    let readers = Route.Access.scopes([.evaluate, .view])
    return [
      Route(
        .post, "/ofrep/v1/evaluate/flags/{key}", readers, featureLimit: .respected,
        query: .ignored,
        .inline(single)),
      Route(
        .post, "/ofrep/v1/evaluate/flags", readers, featureLimit: .respected, query: .ignored,
        .inline(bulk)),
    ]
  }

  private static func failure(
    status: Int, key: String?, code: String, details: String,
    headers: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    .json(item(key: key, code: code, details: details), status: status, headers: headers)
  }

  private static func item(key: String?, code: String, details: String) -> Document {
    .object([
      "key": key.map { .string($0) }, "errorCode": .string(code), "errorDetails": .string(details),
    ])
  }

  private struct ContextError: Error {
    var code: String
    var details: String
  }

  /// The evaluation context of a request body.
  private static func context(_ body: ByteView) throws(ContextError) -> EvaluationContext {
    let document: Document
    do throws(DocumentError) { document = try JSONReader.read(body.array) } catch {
      throw ContextError(code: "PARSE_ERROR", details: "The body is not usable JSON: \(error)")
    }
    guard document.members != nil, let context = document["context"] else {
      throw ContextError(
        code: "INVALID_CONTEXT", details: "Send {\"context\":{\"targetingKey\":\"…\"}}.")
    }
    guard let members = context.members else {
      throw ContextError(code: "INVALID_CONTEXT", details: "context must be an object.")
    }
    do throws(Problem) { return try EvaluationContext(openFeature: members) } catch {
      throw ContextError(code: "INVALID_CONTEXT", details: error.detail)
    }
  }

  private static func single(_ request: InlineRequest, _ reply: Reply) {
    if answersPlainContext(request, reply) { return }
    guard let key = percentDecoded(request.parameter(0)) else {
      reply.send(
        failure(
          status: 400, key: "", code: "PARSE_ERROR",
          details: "The key is not percent-encoded UTF-8."))
      return
    }
    guard request.principal.may(use: key) else {
      reply.send(
        failure(
          status: 403, key: key, code: "GENERAL",
          details: "The token is limited to other features."))
      return
    }
    let bytes = Array(key.utf8)
    guard let index = request.snapshot.index(bytes.span) else {
      reply.send(
        failure(
          status: 404, key: key, code: "FLAG_NOT_FOUND",
          details: "There is no feature \(quoted(key))."))
      return
    }
    let rendered = request.served.rendered(index)
    if request.moves(reply, cost: rendered.compiled.evaluator.cost, to: single) { return }
    do throws(ContextError) {
      let context = try context(request.view.body)
      let cost = rendered.compiled.evaluator.cost * context.attributes.weight
      if request.moves(reply, cost: cost, to: single) { return }
      let decision = try decide(rendered.compiled, context)
      let account = request.principal.account
      reply.sendJSON { rendered.writeFlag(decision, for: account, to: &$0) }
    } catch {
      reply.send(failure(status: 400, key: key, code: error.code, details: error.details))
    }
  }

  private static func decide(
    _ plan: CompiledPlan, _ context: EvaluationContext
  ) throws(ContextError) -> Decision {
    if let details = plan.unusableAttribute(in: context) {
      throw ContextError(code: "INVALID_CONTEXT", details: details)
    }
    do throws(UserRequired) { return try plan.decide(context) } catch { throw keyMissing }
  }

  /// The context nearly every client sends, answered without building a document. False leaves
  /// everything, errors too, to the general way.
  private static func answersPlainContext(_ request: InlineRequest, _ reply: Reply) -> Bool {
    let key = request.parameter(0).buffer
    guard request.principal.features == nil, let index = request.snapshot.index(key.span) else {
      return false
    }
    let rendered = request.served.rendered(index)
    guard request.view.body.count <= LongWork.loopBodyMax,
      rendered.compiled.evaluator.cost <= LongWork.loopCostMax
    else { return false }
    var scanner = ContextScanner(request.view.body)
    guard let context = scanner.scan(keepingAttributes: rendered.compiled.evaluator.usesAttributes)
    else {
      return false
    }
    let user = context.user.buffer
    guard
      let decision = try? rendered.compiled.evaluator.decide(
        user: user.span, attributes: context.attributes)
    else { return false }
    let account = request.principal.account
    reply.sendJSON { rendered.writeFlag(decision, for: account, to: &$0) }
    return true
  }

  private static let keyMissing = ContextError(
    code: "TARGETING_KEY_MISSING",
    details: "The feature is decided by percentage: send a targetingKey.")

  private static func bulk(_ request: InlineRequest, _ reply: Reply) {
    // Before the tag, which is a hash over the body.
    if request.moves(reply, to: bulk) { return }
    let tag = entityTag(request)
    if let known = request.view.field("if-none-match"), matches(known, tag) {
      reply.sendNotModified(entityTag: tag)
      return
    }
    if request.moves(reply, cost: request.served.costOfAll(), to: bulk) { return }
    let context: EvaluationContext
    do throws(ContextError) { context = try self.context(request.view.body) } catch {
      reply.send(failure(status: 400, key: nil, code: error.code, details: error.details))
      return
    }
    let cost = request.served.costOfAll() * context.attributes.weight
    if request.moves(reply, cost: cost, to: bulk) { return }
    var answer = OutputBuffer()
    answer.append("{\"flags\":[")
    for (index, compiled) in request.snapshot.plans.enumerated()
    where request.principal.may(use: compiled.plan.feature) {
      let rendered = request.served.rendered(index)
      if answer.last != UInt8(ascii: "[") { answer.append(",") }
      do throws(ContextError) {
        rendered.writeFlag(
          try decide(rendered.compiled, context), for: request.principal.account, to: &answer)
      } catch {
        let feature = rendered.compiled.plan.feature
        answer.append(item(key: feature, code: error.code, details: error.details).json)
      }
    }
    answer.append("],\"eventStreams\":[{\"type\":\"sse\",\"endpoint\":{\"requestUri\":\"")
    answer.append(text: eventsPath)
    answer.append("\"},\"inactivityDelaySec\":120}]}")
    let headers = [
      ("ETag", String(decoding: tag, as: UTF8.self)), ("Cache-Control", "no-cache"),
    ]
    reply.send(HTTPResponse(status: 200, headers: headers, body: answer.array))
  }

  /// The tag of an answer before it is made: over the configuration (this process and the revision
  /// of its snapshot), the context as sent, and the token's features. Never the same for two
  /// answers that differ; a client that asks the same question again gets its 304 without an
  /// evaluation.
  private static func entityTag(_ request: InlineRequest) -> [UInt8] {
    var question = processID
    withUnsafeBytes(of: request.snapshot.revision) { question += $0 }
    if request.principal.features != nil, let id = request.principal.tokenID { question += id.utf8 }
    question.append(0)
    question.append(contentsOf: request.view.body.buffer)
    var tag: [UInt8] = [UInt8(ascii: "\"")]
    tag.reserveCapacity(26)
    for byte in Digest.sha256(question).prefix(12) {
      tag.append(hexDigits[Int(byte >> 4)])
      tag.append(hexDigits[Int(byte & 15)])
    }
    tag.append(UInt8(ascii: "\""))
    return tag
  }

  private static let processID = Digest.random(16)
  private static let hexDigits = Array("0123456789abcdef".utf8)

  /// `If-None-Match`: a list of tags, weak ones too, or `*`.
  private static func matches(_ field: ByteView, _ tag: [UInt8]) -> Bool {
    if field.buffer.elementsEqual(tag) { return true }
    return field.string.split(separator: ",").contains { candidate in
      let text = candidate.drop { $0 == " " }
      let strong = text.hasPrefix("W/") ? text.dropFirst(2) : text
      return strong.utf8.elementsEqual(tag) || strong == "*"
    }
  }
}

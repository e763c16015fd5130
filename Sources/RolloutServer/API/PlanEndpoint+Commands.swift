import DigestKit
import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutGateway
import RolloutStore

/// Commands: start, advance, kill and the others.
extension PlanEndpoint {
  func command(_ name: String, _ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let feature = try await plan(request).feature
    let body = try CommandMessage(try request.json(), name)
    guard var command = Command.named(name, to: body.to) else {
      throw Problem(.notFound, "There is no command \(name).")
    }
    if let file = body.file {
      guard body.to == nil else {
        throw Problem(.badRequest, "One approval is of a file or of a stage; send the other apart.")
      }
      let digest = try await compute(request) {
        try self.definition(file, feature: feature).digest
      }
      command = .approveFile(digest: digest)
    }
    let version = try request.expectedVersion()
    let context = context(body, command, feature, request)
    guard let key = try request.idempotencyKey() else {
      let done = try await controller.perform(
        command, on: feature, expecting: version, context, by: request.principal)
      return try await answer(done, to: request)
    }
    let once = Once(
      scope: "\(name) \(feature) \(context.actor.text)", key: key,
      hash: Digest.sha256(Array("\(version) ".utf8) + request.body))
    // The same request again, while the first is being carried out, waits for its answer.
    return try await controller.alone(.request(scope: once.scope, key: key)) { [command] in
      try request.principal.checkInForce()
      if let known = try await replay(once) { return known }
      return try await perform(command, on: feature, expecting: version, context, once, request)
    }
  }

  private func context(
    _ body: CommandMessage, _ command: Command, _ feature: String, _ request: APIRequest
  ) -> CommandContext {
    var context = CommandContext(
      actor: request.principal.actor, reason: body.reason, now: clock.moment)
    context.force = body.force
    if case .archive = command {
      context.confirm = body.confirm
      ask(about: feature, &context)
    }
    return context
  }

  /// Notes who asks for a feature that is to be archived.
  func ask(about feature: String, _ context: inout CommandContext) {
    let now = context.now.steady
    context.askers = asks.askers(of: feature, now: now)
    // Who asked is forgotten with a restart; that somebody did is not.
    let last = asks.isYoung(now) ? ledger.lastTraffic(of: feature) : nil
    context.wasAskedBefore = last.map { now.since($0) < AskBook.window } ?? false
  }

  /// A request that is carried out once, however often it comes.
  private struct Once: Sendable {
    var scope: String
    var key: String
    var hash: [UInt8]

    func stored(_ view: PlanView, until: Instant) throws -> StoredAnswer {
      StoredAnswer(
        scope: scope, key: key, requestHash: hash,
        answer: String(decoding: try WireEncoder.json(view), as: UTF8.self), expiresAt: until)
    }
  }

  /// The answer it was given before; nil when it is the first time.
  private func replay(_ once: Once) async throws -> HTTPResponse? {
    let stored = try await store.answer(scope: once.scope, key: once.key, now: clock.steady)
    let waiting =
      stored == nil ? await controller.unwrittenAnswer(scope: once.scope, key: once.key) : nil
    guard let known = stored ?? waiting else { return nil }
    guard known.requestHash == once.hash else {
      throw Problem(
        .idempotencyKeyReused,
        "This Idempotency-Key was used for another request; take a new one.")
    }
    return try response(known, isDurable: stored != nil)
  }

  private func perform(
    _ command: Command, on feature: String, expecting version: Int, _ context: CommandContext,
    _ once: Once, _ request: APIRequest
  ) async throws -> HTTPResponse {
    let expires = clock.steady + Retention.answers
    let done = try await controller.perform(
      command, on: feature, expecting: version, context, by: request.principal
    ) { status, passedOver in
      try once.stored(
        PlanView(status, for: context.actor, passedOver: passedOver), until: expires)
    }
    // What is kept is what is sent, so that a repeat gets the same to the byte.
    guard let kept = done.answer else { return try await answer(done, to: request) }
    return try response(kept, isDurable: done.isDurable)
  }

  /// 202 says that it is done, and not on disk yet.
  private func response(_ kept: StoredAnswer, isDurable: Bool) throws -> HTTPResponse {
    let body = Array(kept.answer.utf8)
    let document = try JSONReader.read(body)
    let tag = document["version"]?.int.map { [(name: "ETag", value: "\"\($0)\"")] } ?? []
    guard isDurable else {
      var document = document
      document.set("durable", .bool(false))
      return .json(document, status: 202, headers: tag)
    }
    return HTTPResponse(status: 200, headers: tag, body: body)
  }
}

/// The body of a command, strictly read.
private struct CommandMessage {
  var reason = ""
  var to: String?
  var force = false
  /// The file that is approved, with `approve`.
  var file: Document?
  var confirm: String?

  init(_ document: Document, _ name: String) throws(Problem) {
    do throws(DocumentError) {
      var reader = try ObjectReader(document)
      reason = try reader.string("reason") ?? ""
      if ["advance", "rollback", "approve"].contains(name) { to = try reader.text("to") }
      force = try reader.bool("force") ?? false
      if name == "approve" { file = reader.optional("definition") }
      if name == "archive" { confirm = try reader.string("confirm") }
      try reader.finish()
    } catch { throw Problem(.badRequest, "\(error)") }
    guard reason.utf8.count <= 2000 else {
      throw Problem(.badRequest, "A reason is at most 2000 bytes.")
    }
  }
}

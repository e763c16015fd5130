import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore

/// Takes in what users met with, as apps report it.
struct OutcomeEndpoint: Sendable {
  private static let outcomesMax = 10_000

  let ledger: OutcomeLedger
  let box: SnapshotBox
  let clock: any SteadyClock

  var routes: [Route] {
    // Ten thousand outcomes of the usual size.
    [
      Route(
        .post, "/v1/outcomes", .scopes([.evaluate]), featureLimit: .respected,
        bodySizeMax: 4 << 20, .task(report)),
      Route(
        .post, "/v1/feedback", .scopes([.evaluate]), featureLimit: .respected, .task(feedback)),
    ]
  }

  private func report(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    guard let list = try request.json()["outcomes"]?.array else {
      throw Problem(
        .badRequest, "Send {\"outcomes\":[{\"feature\":\"…\",\"user\":\"…\",\"ok\":true}]}.")
    }
    guard list.count <= Self.outcomesMax else {
      throw Problem(.tooMany, "At most \(Self.outcomesMax) outcomes in one call; split the list.")
    }
    let snapshot = box.snapshot
    let now = clock.moment
    var accepted: [OutcomeLedger.Report] = []
    var rejected: [OutcomeAnswer.Rejection] = []
    for (index, document) in list.enumerated() {
      do throws(DocumentError) {
        accepted.append(try decode(document, snapshot, request.principal, now))
      } catch {
        rejected.append(
          .init(
            index: index,
            error: error.path.isEmpty ? error.message : "\(error.path): \(error.message)"))
      }
    }
    ledger.record(accepted)
    return try .json(
      OutcomeAnswer(accepted: accepted.count, rejected: rejected), status: 202)
  }

  private func decode(
    _ document: Document, _ snapshot: Snapshot, _ principal: Principal, _ now: Moment
  ) throws(DocumentError) -> OutcomeLedger.Report {
    var reader = try ObjectReader(document)
    let feature = try reader.requiredText("feature")
    guard let plan = snapshot.plan(feature) else {
      throw reader.error("feature", "There is no feature \(quoted(feature)).")
    }
    guard principal.may(use: feature) else {
      throw reader.error("feature", "The token is limited to other features.")
    }
    let user = try reader.text("user").flatMap { $0.isEmpty ? nil : $0 }
    guard (user?.utf8.count ?? 0) <= UserID.lengthMax else {
      throw reader.error("user", "A user id is at most \(UserID.lengthMax) bytes.")
    }
    guard let ok = try reader.bool("ok") else { throw reader.error("ok", "Say true or false.") }
    let kind = try reader.text("kind") ?? ""
    guard kind.unicodeScalars.count <= 64 else {
      throw reader.error("kind", "A kind is at most 64 characters.")
    }
    let latency = try reader.double("latency_ms", in: 0...86_400_000)
    let inputTokens = try reader.int("input_tokens", in: 0...1_000_000_000) ?? 0
    let outputTokens = try reader.int("output_tokens", in: 0...1_000_000_000) ?? 0
    let dollars = try reader.double("cost_usd", in: 0...1_000_000) ?? 0
    let arm: Outcome.Arm? = try reader.choice("arm")
    let id = try reader.text("id")
    guard (id?.utf8.count ?? 0) <= 255 else {
      throw reader.error("id", "An id is at most 255 bytes.")
    }
    let at = try instant(&reader, now)
    try reader.finish()
    let outcome = Outcome(
      result: Self.result(ok: ok, kind: kind),
      arm: arm ?? self.arm(plan, user), user: user.map { Outcome.hash(user: $0) }, at: at,
      latency: latency, inputTokens: inputTokens, outputTokens: outputTokens,
      cost: Money(nanodollars: Int((dollars * 1e9).rounded())))
    return OutcomeLedger.Report(feature: feature, outcome: outcome, id: id)
  }

  // MARK: Feedback

  private func feedback(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let feature: String
    let user: String?
    let kind: Feedback.Kind
    let about: String?
    do throws(DocumentError) {
      var reader = try ObjectReader(try JSONReader.read(request.body))
      feature = try reader.requiredText("feature")
      user = try reader.text("user").flatMap { $0.isEmpty ? nil : $0 }
      guard (user?.utf8.count ?? 0) <= UserID.lengthMax else {
        throw reader.error("user", "A user id is at most \(UserID.lengthMax) bytes.")
      }
      guard let chosen: Feedback.Kind = try reader.choice("kind") else {
        let names = Feedback.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw reader.error("kind", "Say what it is: \(names).")
      }
      kind = chosen
      about = try reader.text("request_id")
      guard (about?.utf8.count ?? 0) <= 255 else {
        throw reader.error("request_id", "A request id is at most 255 bytes.")
      }
      try reader.finish()
    } catch { throw Problem(.badRequest, "\(error)") }
    guard request.principal.may(use: feature) else {
      throw Problem(.forbidden, "The token is limited to other features.")
    }
    guard let plan = box.snapshot.plan(feature) else {
      throw PlanController.UnknownFeature(feature: feature)
    }
    let vote = Feedback(
      kind: kind, arm: arm(plan, user), user: user.map { Outcome.hash(user: $0) }, at: clock.steady)
    // One vote of a kind per request, however often it is sent.
    ledger.record(vote, of: feature, id: about.map { "\(kind.rawValue) \($0)" })
    return .json(.object(["accepted": .bool(true)]), status: 202)
  }

  static func result(ok: Bool, kind: String) -> Outcome.Result {
    switch kind {
    case "client_cancelled", "caller_error": .excluded
    case "degraded_model": ok ? .degradedModel : .failed
    case "degraded_cache": ok ? .degradedCache : .failed
    case "degraded_fallback": .degradedFallback
    default: ok ? .ok : .failed
    }
  }

  /// What the evaluator says for that user; without a user the feature itself is assumed, since
  /// that is what is being watched.
  private func arm(_ plan: CompiledPlan, _ user: String?) -> Outcome.Arm {
    guard let user, let decision = try? plan.decide(EvaluationContext(user: user)) else {
      return .treatment
    }
    return decision.enabled ? .treatment : .control
  }

  /// `at` as RFC 3339 or milliseconds, never in the future, as the place on the steady timeline
  /// that is as long ago.
  private func instant(_ reader: inout ObjectReader, _ now: Moment) throws(DocumentError)
    -> Instant
  {
    guard let value = reader.optional("at") else { return now.steady }
    func place(_ at: Instant) -> Instant {
      let age = now.wall.since(at)
      return Instant(milliseconds: now.steady.milliseconds &- age.milliseconds)
    }
    if let milliseconds = value.int, milliseconds >= 0 {
      return place(Instant(milliseconds: Int64(milliseconds)))
    }
    guard let text = value.string, let at = Instant(rfc3339: text) else {
      throw reader.error("at", "Expected RFC 3339 such as 2026-11-23T10:00:00Z, or milliseconds.")
    }
    return place(at)
  }
}

import DocumentKit
import HTTPServerKit
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
    var answer = OutcomeAnswer()
    var asked: Set<String> = []
    for (index, document) in list.enumerated() {
      do throws(DocumentError) {
        var reader = try OutcomeReader(document, index: index, now: now)
        let report = try reader.report(snapshot, request.principal)
        if report.outcome.arm == .unknown {
          answer.unattributed = (answer.unattributed ?? 0) + 1
          asked.formUnion(snapshot.plan(report.feature)?.attributesAsked ?? [])
        }
        answer.warnings =
          reader.warnings.isEmpty
          ? answer.warnings : (answer.warnings ?? []) + reader.warnings
        accepted.append(report)
      } catch {
        answer.rejected.append(
          .init(
            index: index,
            error: error.path.isEmpty ? error.message : "\(error.path): \(error.message)"))
      }
    }
    answer.accepted = accepted.count
    if !asked.isEmpty {
      answer.hint = Self.hint("outcomes", asked.sorted())
    }
    ledger.record(accepted, at: now.steady)
    return try .json(answer, status: 202)
  }

  /// What to send so that the next ones belong to an arm.
  private static func hint(_ what: String, _ asked: [String]) -> String {
    "Send attributes with \(what) (\(asked.joined(separator: ", "))), or arm: the "
      + "plan's rules ask for them, so nobody can tell which arm these belong to."
  }

  // MARK: Feedback

  private func feedback(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let snapshot = box.snapshot
    let said: OutcomeReader.Vote
    do throws(DocumentError) {
      var reader = try OutcomeReader(try JSONReader.read(request.body), index: 0, now: clock.moment)
      said = try reader.feedback(snapshot, request.principal)
    } catch { throw Problem(.badRequest, "\(error)") }
    guard request.principal.may(use: said.feature) else {
      throw Problem(.forbidden, "The token is limited to other features.")
    }
    guard let plan = snapshot.plan(said.feature) else {
      throw PlanController.UnknownFeature(feature: said.feature)
    }
    // One vote of a kind per request, however often it is sent.
    ledger.record(
      said.vote, of: said.feature, id: said.about.map { "\(said.vote.kind.rawValue) \($0)" },
      version: said.version)
    let isUnknown = said.vote.arm == .unknown
    return .json(
      .object([
        "accepted": .bool(true), "unattributed": isUnknown ? .int(1) : nil,
        "hint": isUnknown ? .string(Self.hint("votes", plan.attributesAsked)) : nil,
      ]), status: 202)
  }
}

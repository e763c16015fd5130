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
      answer.hint =
        "Send attributes with outcomes (\(asked.sorted().joined(separator: ", "))), or arm: the "
        + "plan's rules ask for them, so nobody can tell which arm these belong to."
    }
    ledger.record(accepted, at: now.steady)
    return try .json(answer, status: 202)
  }

  // MARK: Feedback

  private func feedback(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let snapshot = box.snapshot
    let vote: Feedback
    let feature: String
    let about: String?
    do throws(DocumentError) {
      var reader = try OutcomeReader(try JSONReader.read(request.body), index: 0, now: clock.moment)
      (vote, feature, about) = try reader.feedback(snapshot, request.principal)
    } catch { throw Problem(.badRequest, "\(error)") }
    guard request.principal.may(use: feature) else {
      throw Problem(.forbidden, "The token is limited to other features.")
    }
    guard snapshot.plan(feature) != nil else {
      throw PlanController.UnknownFeature(feature: feature)
    }
    // One vote of a kind per request, however often it is sent.
    ledger.record(vote, of: feature, id: about.map { "\(vote.kind.rawValue) \($0)" })
    return .json(.object(["accepted": .bool(true)]), status: 202)
  }
}

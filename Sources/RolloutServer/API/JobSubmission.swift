import DigestKit
import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutGateway
import RolloutStore

/// What a job was asked, on its way into the store and out of it.
struct JobSubmission {
  private let request: StoredRequest
  /// The native request's body.
  var body: Document { request.body }
  var user: String? { request.headerUser ?? body["user"]?.string }
  var stored: [UInt8] { request.stored }
  var expiresIn: TimeSpan?

  init(_ request: APIRequest) throws(Problem) {
    var body = try request.json()
    if let text = body["expires_in"] {
      guard let span = text.string.flatMap(TimeSpan.init), span > .zero else {
        throw Problem(
          .badRequest,
          TimeSpan.refusal(
            of: text.string ?? "", "expires_in must be a duration such as 30m, 1h or 2d."))
      }
      expiresIn = span
      body.remove("expires_in")
    }
    self.request = StoredRequest(
      body: body, headerUser: request.field("x-rollout-user"),
      attributes: request.field("x-rollout-attributes"))
    // What cannot be processed is refused now, while somebody listens.
    _ = try ChatRequest(native: body)
    _ = try Attributes(field: self.request.attributes)
    var context = EvaluationContext(user: user)
    try context.check()
  }

  /// From what `stored` was; nil for anything else.
  init?(stored: [UInt8]) {
    guard let request = StoredRequest(stored: stored) else { return nil }
    self.request = request
  }

  /// The request as if it had come just now, from nobody who waits.
  func request(
    of job: Job, _ plan: CompiledPlan, isInForce: @escaping @Sendable () -> Bool
  ) throws(Problem) -> AIRequest {
    try AIRequest(
      ChatRequest(native: body), of: plan, app: job.app == AIRequest.nobody ? nil : job.app,
      user: request.headerUser, attributes: Attributes(field: request.attributes), isBatch: true,
      isInForce: isInForce)
  }
}

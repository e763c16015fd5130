import DigestKit
import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutGateway
import RolloutStore

/// Requests that are answered later: `POST /v1/features/{feature}/jobs`, then `GET` until it is
/// done.
struct JobEndpoint: Sendable {
  /// Bytes of a job's request.
  private static let bodySizeMax = 4 << 20
  private static let expiresInDefault = TimeSpan.days(1)
  private static let expiresInMax = TimeSpan.days(7)

  let service: Current<AIService>
  let store: any JobStore & JobList
  let runner: JobRunner
  let clock: any SteadyClock
  let trail: AuditTrail

  var routes: [Route] {
    [
      Route(
        .post, "/v1/features/{feature}/jobs", .scopes([.evaluate]), featureLimit: .path,
        bodySizeMax: Self.bodySizeMax, .task(create)),
      Route(.get, "/v1/jobs", .scopes([.evaluate]), featureLimit: .respected, .task(list)),
      Route(.get, "/v1/jobs/{id}", .scopes([.evaluate]), featureLimit: .respected, .task(show)),
      Route(
        .delete, "/v1/jobs/{id}", .scopes([.evaluate]), featureLimit: .respected,
        .task(cancel)),
    ]
  }

  private func create(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let compiled = try service.value.plan(request.parameters[0])
    let submission = try JobSubmission(request)
    let now = clock.steady
    let lifetime = submission.expiresIn ?? Self.expiresInDefault
    guard lifetime <= Self.expiresInMax else {
      throw Problem(.badRequest, "expires_in is at most \(Self.expiresInMax.text).")
    }
    let job = Job(
      id: "job_" + Digest.hexadecimal(Digest.random(12)), feature: compiled.plan.feature,
      app: request.principal.tokenID ?? AIRequest.nobody, user: submission.user,
      request: submission.stored, createdAt: now, expiresAt: now + lifetime)
    let key = try request.idempotencyKey().map {
      IdempotencyKey(key: $0, requestHash: Digest.sha256(submission.stored))
    }
    do throws(JobRoom.Refusal) { try runner.keepRoom(for: job) } catch { return refusal(error) }
    let added: JobAddition
    do { added = try await store.add(job, key) } catch {
      runner.giveBackRoom(of: job)
      throw error
    }
    switch added {
    case .added:
      runner.enqueue(job, hasRoom: true)
      return try answer(job, status: 202)
    case .known(let known):
      runner.giveBackRoom(of: job)
      return try answer(known, status: 202)
    case .keyReused:
      runner.giveBackRoom(of: job)
      throw Problem(
        .idempotencyKeyReused,
        "This Idempotency-Key was used for another request; take a new one.")
    }
  }

  private func refusal(_ refusal: JobRoom.Refusal) -> HTTPResponse {
    let problem =
      switch refusal {
      case .full: Problem(.unavailable, "Too many jobs wait already; try again in 10 s.")
      case .share:
        Problem(
          .rateLimited,
          "This token has its share of the jobs that may wait; try again in 10 s.")
      }
    return Dialect.native.error(
      problem, headers: [("Retry-After", "10"), ("x-rollout-limit", "jobs")])
  }

  /// Those of the token that asks; everybody's for an administrator. Without their answers.
  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("feature", "status", "after", "limit")
    let principal = request.principal
    var features = principal.features
    if let feature = try request.queryValue("feature") {
      features = principal.may(use: feature) ? [feature] : []
    }
    let text = try request.queryValue("status")
    let status = text.flatMap(Job.Status.init)
    guard text == nil || status != nil else {
      let known = Job.Status.allCases.map(\.rawValue).joined(separator: ", ")
      throw Problem(.badRequest, "status is one of \(known).")
    }
    let (limit, skipped) = (try request.limit(), try request.cursor() ?? 0)
    let jobs = try await store.jobs(
      app: principal.may(.admin) ? nil : principal.tokenID ?? "anonymous", features: features,
      status: status, skipping: skipped, limit: limit + 1)
    return try .json(
      JobPage(
        jobs: jobs.prefix(limit).map { JobView($0, position: runner.position(of: $0.id), clock) },
        next: jobs.count > limit ? "\(skipped + limit)" : nil))
  }

  private func show(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    return try answer(try await own(request))
  }

  private func cancel(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("reason")
    let reason = try ChangeReason.of(request)
    let job = try await own(request)
    let after = try await runner.cancel(job.id) ?? job
    if !job.status.isFinal, after.status == .cancelled {
      await trail.note(record(job, request.principal, reason))
    }
    return try answer(after)
  }

  /// Who takes back jobs of its own is kept by feature; of somebody else's it is kept which.
  private func record(
    _ job: Job, _ principal: Principal, _ reason: String
  ) -> AuditRecord {
    let isOwn = job.app == principal.tokenID ?? AIRequest.nobody
    return AuditRecord(
      .jobCancelled, by: principal.actor, target: job.feature, reason: reason,
      details: isOwn ? nil : .object(["job": .string(job.id)]), at: clock.now)
  }

  /// A job of the token that asks; of others nobody learns whether it exists.
  private func own(_ request: APIRequest) async throws -> Job {
    let id = request.parameters[0]
    guard let job = try await store.job(id),
      job.app == request.principal.tokenID ?? AIRequest.nobody || request.principal.may(.admin),
      request.principal.may(use: job.feature)
    else { throw Problem(.notFound, "There is no job \(quoted(id)) of this token.") }
    return job
  }

  private func answer(_ job: Job, status: Int = 200) throws -> HTTPResponse {
    var headers: [(name: String, value: String)] = []
    if status == 202 { headers.append(("Location", "/v1/jobs/\(job.id)")) }
    if !job.status.isFinal { headers.append(("Retry-After", "1")) }
    return try .json(
      JobView(job, position: runner.position(of: job.id), clock), status: status, headers: headers)
  }
}

extension Job {
  /// Whether its token may still have it processed; nil for everybody's may.
  func isOrdered(by tokens: TokenDirectory?) -> Bool { tokens?.isInForce(id: app) ?? true }

  /// The problem of a job that is not.
  static var withoutToken: [UInt8] {
    Problem(
      .unauthorized,
      "The token that made this job was revoked or had expired before it was processed."
    ).json
  }
}

extension AIService {
  /// Processes a job: the same way as a native request, behind everybody who waits in person, and
  /// for as long as its token may still have it processed.
  func process(
    _ job: Job, isInForce: @escaping @Sendable () -> Bool
  ) async -> JobExecution {
    do throws(Problem) {
      guard let submission = JobSubmission(stored: job.request) else {
        throw Problem(.internal, "The stored request cannot be read.")
      }
      let (call, answer) = await self.answer(
        to: try submission.request(of: job, try plan(job.feature), isInForce: isInForce))
      if let seconds = answer.wait { return .later(seconds: seconds) }
      return .done(.succeeded, try answer.native(call, at: clock.now).json)
    } catch {
      return .done(.failed, error.json)
    }
  }
}

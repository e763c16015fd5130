package import DocumentKit
package import RolloutCore

/// A request that is answered later.
package struct JobView: Codable, Sendable, Equatable {
  package var jobId: String
  package var feature: String
  /// `queued`, `processing`, `succeeded`, `failed`, `expired` or `cancelled`.
  package var status: String
  /// How many are begun until this one is, with it; only while it waits.
  package var position: Int?
  package var attempts: Int
  package var createdAt: String
  package var startedAt: String?
  package var finishedAt: String?
  package var expiresAt: String
  /// The native answer of a job that succeeded.
  package var result: Document?
  /// The problem of a job that failed.
  package var error: Document?
}

extension JobView {
  /// `position` is its place in the queue; `clock` shows places of the steady timeline.
  package init(_ job: Job, position: Int?, _ clock: any SteadyClock) {
    func shown(_ place: Instant) -> String { clock.wall(of: place).rfc3339 }
    let result = job.result.flatMap { try? JSONReader.read($0) }
    self.init(
      jobId: job.id, feature: job.feature, status: job.status.rawValue, position: position,
      attempts: job.attempts, createdAt: shown(job.createdAt), startedAt: job.startedAt.map(shown),
      finishedAt: job.finishedAt.map(shown), expiresAt: shown(job.expiresAt),
      result: job.status == .succeeded ? result : nil,
      error: job.status == .failed ? result : nil)
  }
}

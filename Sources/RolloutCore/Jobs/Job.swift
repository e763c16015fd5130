import DocumentKit

/// An AI request that is answered later. Its times are places on the steady timeline.
package struct Job: Sendable, Equatable {
  package enum Status: String, Sendable, CaseIterable {
    case queued, processing, succeeded, failed, expired, cancelled

    package var isFinal: Bool { self != .queued && self != .processing }
  }

  package var id: String
  package var feature: String
  /// The token that made it; only it (and an administrator) may see it.
  package var app: String
  /// Whose turn it is in the queue; nil when the request names no user.
  package var user: String?
  /// The native request, as JSON. Empty once the job is final: nobody needs the prompt any more.
  package var request: [UInt8]
  /// Bytes of the request, also where it is left out.
  package var size: Int
  package var status = Status.queued
  /// Times that it was begun.
  package var attempts = 0
  package var createdAt: Instant
  package var startedAt: Instant?
  package var finishedAt: Instant?
  /// A job that has not begun by then never does.
  package var expiresAt: Instant
  /// The native answer or the problem, as JSON; nil until the job is final.
  package var result: [UInt8]?

  package init(
    id: String, feature: String, app: String, user: String?, request: [UInt8], createdAt: Instant,
    expiresAt: Instant
  ) {
    self.id = id
    self.feature = feature
    self.app = app
    self.user = user
    self.request = request
    size = request.count
    self.createdAt = createdAt
    self.expiresAt = expiresAt
  }

  /// The problem of a job whose worker vanished more often than it may, as JSON.
  package static let interrupted = Document.object([
    "code": .string("interrupted"),
    "detail": .string(
      "The server stopped while this job was processed, more than once; send it again."),
  ]).json
}

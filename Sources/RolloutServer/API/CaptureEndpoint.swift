import DocumentKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutGateway
import Synchronization

/// `GET` and `DELETE /v1/captures?feature=…`, for administrators.
struct CaptureEndpoint: Sendable {
  /// Characters of prompts and answers after which a page ends: whoever wants more asks again.
  static let pageSizeMax = 4 << 20

  let store: any CaptureStore
  let clock: any WallClock
  let trail: AuditTrail

  var routes: [Route] {
    [
      Route(.get, "/v1/captures", .scopes([.admin]), isLong: { _ in true }, .task(list)),
      Route(.delete, "/v1/captures", .scopes([.admin]), .task(delete)),
    ]
  }

  private func feature(_ request: APIRequest) throws(Problem) -> String {
    guard let feature = try request.queryValue("feature") else {
      throw Problem(.badRequest, "Say which feature: ?feature=…")
    }
    return feature
  }

  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("feature", "after", "limit")
    let limit = try request.limit()
    let found = try await store.captures(
      try feature(request), before: try request.cursor(), limit: limit + 1,
      sizeMax: Self.pageSizeMax, now: clock.now)
    return try await QuietThreads.reads.result {
      let page = Self.page(of: found, limit: limit)
      return try .json(
        CaptureList(
          captures: page.captures.map(CaptureView.init), next: page.next.map(String.init)))
    }
  }

  /// As many as fill a page, one at least, and where the next goes on.
  static func page(
    of found: [Capture], limit: Int
  ) -> (captures: ArraySlice<Capture>, next: Int?) {
    var size = 0
    let last = found.firstIndex { capture in
      size += capture.prompt.unicodeScalars.count + capture.answer.unicodeScalars.count
      return size >= pageSizeMax
    }
    let page = found.prefix(min(limit, last.map { $0 + 1 } ?? found.count))
    return (page, found.count > page.count ? page.last?.id : nil)
  }

  private func delete(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("feature", "reason")
    let (feature, reason) = (try feature(request), try ChangeReason.of(request))
    try await store.deleteCaptures(feature)
    await trail.note(
      AuditRecord(
        .capturesDeleted, by: request.principal.actor, target: feature, reason: reason,
        at: clock.now))
    return .noContent
  }
}

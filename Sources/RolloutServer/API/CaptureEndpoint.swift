import DocumentKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutGateway
import Synchronization

/// `GET` and `DELETE /v1/captures?feature=…`, for administrators.
struct CaptureEndpoint: Sendable {
  let store: any CaptureStore
  let clock: any WallClock

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
      try feature(request), before: try request.cursor(), limit: limit + 1, now: clock.now)
    return try await QuietThreads.reads.result {
      let page = found.prefix(limit)
      let next = found.count > limit ? page.last.map { String($0.id) } : nil
      return try .json(CaptureList(captures: page.map(CaptureView.init), next: next))
    }
  }

  private func delete(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("feature")
    try await store.deleteCaptures(try feature(request))
    return .noContent
  }
}

extension CaptureView {
  fileprivate init(_ capture: Capture) {
    self.init(
      id: "\(capture.id)", requestId: capture.request, feature: capture.feature,
      stage: capture.stage, at: capture.at.rfc3339, expiresAt: capture.expiresAt.rfc3339,
      provider: capture.provider, model: capture.model, prompt: capture.prompt,
      answer: capture.answer, inputTokens: capture.inputTokens, outputTokens: capture.outputTokens)
  }
}

import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore

/// A request that has left its loop.
struct MovedRequest: Sendable {
  private let copy: RequestCopy
  private let coding: ContentCoding?
  private let route: Route
  private let snapshot: Snapshot
  private let principal: Principal
  private let handler: @Sendable (InlineRequest, Reply) -> Void

  init(
    _ request: InlineRequest, handler: @escaping @Sendable (InlineRequest, Reply) -> Void
  ) {
    copy = request.view.copy
    coding = request.view.contentCoding.flatMap { ContentCoding($0) }
    route = request.route
    snapshot = request.snapshot
    principal = request.principal
    self.handler = handler
  }

  func answer(_ evaluations: EvaluationCounters) -> HTTPResponse {
    var copy = copy
    guard principal.isInForce else {
      return copy.withView { Dialect(path: $0.path).error(.tokenEnded) }
    }
    do throws(Problem) {
      if let coding { copy.body = try coding.decoded(copy.body, sizeMax: route.bodySizeMax) }
    } catch { return copy.withView { Dialect(path: $0.path).error(error) } }
    // Counted apart and added at the end: several threads count at the same time.
    let counters = EvaluationCounters()
    let reply = Reply()
    copy.withView { view in
      handler(
        InlineRequest(
          view: view, route: route,
          served: ServedSnapshot(snapshot, after: nil, counting: counters), principal: principal,
          door: nil), reply)
    }
    evaluations.add(counters)
    return reply.kept ?? HTTPResponse(status: 500)
  }
}

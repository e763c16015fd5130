import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import Synchronization

/// Evaluations that would hold up a loop: large bodies, many users, rules that look at much.
/// Threads of low priority answer them, a bounded number at a time.
final class LongWork: Sendable {
  /// Bytes of a body that a loop reads itself; more would take it too long.
  static let loopBodyMax = 16 * 1024
  /// Bytes that the rules of one request may look at on a loop: a millisecond, not more.
  static let loopCostMax = 1 << 20
  /// Bytes that they may look at in one request at all; beyond it must be split.
  static let costMax = 1 << 28

  private let room = FairRoom(capacity: 64)

  fileprivate func take(_ account: Int) -> Bool { room.take(1, account) }
  fileprivate func give(_ account: Int) { room.give(1, account) }
}

/// Where one loop hands long work in. Belongs to its loop.
final class LongWorkDoor {
  private let work: LongWork
  private let metrics: LoopMetrics
  /// Decisions made by the threads.
  private let evaluations: EvaluationCounters
  /// Which route the present request has.
  fileprivate(set) var ticket = 0
  /// Whether the present request was handed in; it is counted when it is answered.
  fileprivate(set) var hasMoved = false

  init(_ work: LongWork, _ metrics: LoopMetrics, evaluations: EvaluationCounters) {
    self.work = work
    self.metrics = metrics
    self.evaluations = evaluations
  }

  func prepare(ticket: Int) {
    self.ticket = ticket
    hasMoved = false
  }

  func move(
    _ request: InlineRequest, _ reply: Reply,
    to handler: @escaping @Sendable (InlineRequest, Reply) -> Void
  ) {
    let account = request.principal.account
    guard work.take(account) else {
      let problem = Problem(
        .unavailable, "Too many long questions are being answered; try again in a second.")
      reply.send(
        Dialect(path: request.view.path).error(problem, headers: [("Retry-After", "1")]))
      return
    }
    hasMoved = true
    let exchange = reply.suspend()
    let moved = MovedRequest(request, handler: handler)
    let (work, evaluations, counters, ticket) = (work, evaluations, metrics.http, ticket)
    QuietThreads.process.run {
      defer { work.give(account) }
      guard !exchange.isDisconnected else { return }
      let response = moved.answer(evaluations)
      counters.count(ticket, status: response.status)
      exchange.respond(response)
    }
  }
}

extension InlineRequest {
  /// Hands the request to a thread if the loop should not answer it: because of its body, or
  /// because rules would look at `cost` bytes. False where the caller is to go on, on such a thread
  /// too.
  func moves(
    _ reply: Reply, cost: Int = 0, to handler: @escaping @Sendable (InlineRequest, Reply) -> Void
  ) -> Bool {
    guard let door, cost > LongWork.loopCostMax || view.body.count > LongWork.loopBodyMax else {
      return false
    }
    door.move(self, reply, to: handler)
    return true
  }
}

/// A request that has left its loop.
private struct MovedRequest: Sendable {
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

extension ContentCoding {
  /// The plain body, or what to tell the client.
  func decoded(_ coded: [UInt8], sizeMax: Int) throws(Problem) -> [UInt8] {
    do throws(Failure) { return try decode(coded, sizeMax: sizeMax) } catch {
      switch error {
      case .tooLarge:
        throw Problem(
          .bodyTooLarge, "Decoded, the body is larger than the \(sizeMax) bytes it may have here.")
      case .malformed:
        throw Problem(.badRequest, "The body is not what its Content-Encoding says.")
      }
    }
  }
}

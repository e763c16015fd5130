import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import Synchronization

/// Where one loop hands long work in. Belongs to its loop.
final class LongWorkDoor {
  private let work: LongWork
  private let metrics: LoopMetrics
  /// Decisions made by the threads.
  private let evaluations: EvaluationCounters
  /// Which route the present request has.
  var ticket = 0
  /// Whether the present request was handed in; it is counted when it is answered.
  var hasMoved = false

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

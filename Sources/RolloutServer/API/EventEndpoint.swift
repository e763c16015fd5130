import HTTPKit
import HTTPServerKit
import RolloutAPI
import RolloutCore

/// Server-sent events: the native stream and OFREP's.
struct EventEndpoint: Sendable {
  let hub: EventHub
  let history: any EventHistory
  private let writer = EventWriter()

  var routes: [Route] {
    let readers = Route.Access.scopes([.evaluate, .view])
    return [
      Route(
        .get, "/v1/events", readers, featureLimit: .respected, query: .none,
        .inline { stream($0, $1, .messages) }),
      Route(
        .get, OFREP.eventsPath, readers, featureLimit: .respected, query: .ignored,
        .inline { stream($0, $1, .changes) }),
    ]
  }

  /// Subscribes on the loop: ten thousand clients that come at once leave nothing behind but their
  /// subscription. Only those who missed much are served by a task, a few at a time.
  private func stream(_ request: InlineRequest, _ reply: Reply, _ interest: EventHub.Interest) {
    let exchange = reply.suspend()
    let sink = EventStream(exchange: exchange, writer: writer)
    guard request.view.method != .head else {
      sink.begin()
      sink.finish()
      return
    }
    let last = last(request.view)
    let account = request.principal.account
    let listener = EventHub.Listener(
      sink: sink, interest: interest, principal: request.principal)
    guard hub.add(listener, after: last) == .behind, let last else { return }
    guard hub.replays.take(1, account) else {
      let problem = Problem(
        .unavailable, "Too many clients are being sent what they missed; try again in a second.")
      exchange.respond(
        Dialect(path: request.view.path).error(problem, headers: [("Retry-After", "1")]))
      return
    }
    let (replay, replays) = (EventReplay(hub: hub, history: history), hub.replays)
    Task {
      defer { replays.give(1, account) }
      await replay.run(listener, after: last)
    }
  }

  /// What the client has seen; nil when it has seen nothing. What is no id of ours is a place that
  /// never was, so that it is told to start anew.
  private func last(_ request: RequestView) -> MessagePlace? {
    guard let field = request.field("last-event-id"), !field.isEmpty else { return nil }
    return MessagePlace(field.string) ?? MessagePlace(event: .max)
  }
}

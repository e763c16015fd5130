import HTTPKit
import RolloutAPI
import RolloutCore

/// Server-sent events: the native stream and OFREP's.
struct EventEndpoint: Sendable {
  /// Events replayed to a client that comes back.
  private static let replayMax = 1000

  let hub: EventHub
  let store: any PlanStore
  let outbox: any OutboxStore
  let clock: any SteadyClock

  var routes: [Route] {
    let readers = Route.Access.scopes([.evaluate, .view])
    return [
      Route(
        .get, "/v1/events", readers, featureLimit: .respected,
        .inline { stream($0, $1, .native) }),
      Route(
        .get, OFREP.eventsPath, readers, featureLimit: .respected,
        .inline { stream($0, $1, .ofrep) }),
    ]
  }

  /// Subscribes on the loop: ten thousand clients that come at once leave nothing behind but their
  /// subscription. Only those who come back ask the store for what they missed.
  private func stream(_ request: InlineRequest, _ reply: Reply, _ format: EventHub.Format) {
    guard request.view.method != .head else {
      reply.send(HTTPResponse(status: 200, contentType: "text/event-stream"))
      return
    }
    let last = request.view.field("last-event-id").flatMap { EventPlace($0.string) }
    let features = request.principal.features
    let exchange = reply.suspend()
    guard let last else {
      hub.subscribe(exchange, format, features: features, last: nil, missed: [])
      return
    }
    Task {
      do {
        let missed = try await missed(since: last)
        hub.subscribe(exchange, format, features: features, last: last, missed: missed)
      } catch {
        let context = CommandContext(actor: .monitor, reason: "", now: clock.moment)
        exchange.respond(Dialect.native.error(Problem(error, context: context)))
      }
    }
  }

  /// Events and notices after `last`, in their one order.
  private func missed(since last: EventPlace) async throws -> [Message] {
    let events = try await store.events(after: last.event, limit: Self.replayMax)
    let notices = try await outbox.notices(
      afterEvent: last.event, id: last.notice, limit: Self.replayMax)
    let all = events.map { Message.event($0) } + notices.map { Message.notice($0) }
    return Array(all.sorted { $0.place < $1.place }.prefix(Self.replayMax))
  }
}

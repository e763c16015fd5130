import HTTPKit
import RolloutAPI
import RolloutCore

/// Server-sent events: the native stream and OFREP's.
struct EventEndpoint: Sendable {
  /// Events replayed to a client that comes back.
  private static let replayMax = 1000

  let hub: EventHub
  let store: any PlanStore
  let clock: any WallClock

  var routes: [Route] {
    [
      Route(
        .get, "/v1/events", .scopes([.evaluate, .operate]),
        .exchange { await stream($0, $1, .native) }),
      Route(
        .get, OFREP.eventsPath, .scopes([.evaluate]),
        .exchange { await stream($0, $1, .ofrep) }),
    ]
  }

  private func stream(_ request: APIRequest, _ exchange: Exchange, _ format: EventHub.Format) async
  {
    let last = request.field("last-event-id").flatMap { Int($0) }
    do {
      let missed =
        if let last { try await store.events(after: last, limit: Self.replayMax) } else {
          [StoredEvent]()
        }
      hub.subscribe(
        exchange, format, features: request.principal.features, last: last, missed: missed)
    } catch {
      let context = CommandContext(actor: .monitor, reason: "", now: clock.now)
      exchange.respond(Dialect.native.error(Problem(error, context: context)))
    }
  }
}

import RolloutCore

/// Sends a client that comes back what it has missed, as fast as it reads, and then leaves it to
/// the hub.
struct EventReplay: Sendable {
  /// Clients at once, of all tokens together.
  static let countMax = 8
  /// Bytes of a part; the next one is made once the client has read nearly all of it.
  private static let partSize = 64 * 1024

  let hub: EventHub
  let history: any EventHistory

  /// Ends with the stream handed on, with its token, or with the connection.
  func run(_ listener: EventHub.Listener, after last: MessagePlace) async {
    let sink = listener.sink
    sink.begin()
    do {
      var place = last
      let oldest = try await history.oldestPlace()
      if place < oldest {
        // Some of what it missed is gone; from there on nothing is.
        place = oldest
        try await sink.write([.reset(to: oldest)])
      }
      while hub.add(listener, after: place, openingMax: Self.partSize, hasBegun: true) == .behind {
        guard !sink.isGone, listener.principal.isInForce else { return sink.finish() }
        let part = try await part(for: listener, after: place)
        try await sink.write(part.news)
        place = part.end
      }
    } catch {
      // Cut, and not ended: the client comes back with the last id it has.
      sink.abort()
    }
  }

  /// From memory where it is there, else a page from disk.
  private func part(
    for listener: EventHub.Listener, after place: MessagePlace
  ) async throws -> (news: [EventNews], end: MessagePlace) {
    if let part = hub.part(for: listener, after: place, sizeMax: Self.partSize) { return part }
    let page = try await history.page(after: place, features: listener.principal.features)
    return (page.messages.map { .frame(EventFrame($0)) }, page.end)
  }
}

import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import Synchronization

/// Tells subscribers of server-sent events what happens to plans.
final class EventHub: Sendable {
  enum Format: Sendable {
    /// Every event in full, for dashboards and tools.
    case native
    /// OFREP's notice to fetch again.
    case ofrep
  }

  private struct Subscriber: Sendable {
    var exchange: Exchange
    var format: Format
    var features: Set<String>?
  }

  /// Bytes that may wait for a subscriber before it is cut off.
  private static let backlogMax = 256 * 1024
  static let heartbeat = Duration.seconds(30)

  private struct State {
    var subscribers: [Int: Subscriber] = [:]
    var nextID = 0
    /// The last events, for those who come back while the store is being asked.
    var recent: [StoredEvent] = []
  }

  private static let recentMax = 256

  private let state = Mutex(State())

  var count: Int { state.withLock { $0.subscribers.count } }

  /// Begins the stream on `exchange`. `missed` events are sent first; those that came after the
  /// last of them, or after `last`, follow without a gap.
  func subscribe(
    _ exchange: Exchange, _ format: Format, features: Set<String>?, last: Int?,
    missed: [StoredEvent]
  ) {
    exchange.begin(
      status: 200, contentType: "text/event-stream",
      headers: [("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")])
    let id = state.withLock { state in
      state.nextID += 1
      state.subscribers[state.nextID] = Subscriber(
        exchange: exchange, format: format, features: features)
      var replay = missed
      if let seen = missed.last?.id ?? last { replay += state.recent.filter { $0.id > seen } }
      var opening = Array("retry: 2000\n: connected\n\n".utf8)
      for event in replay where features?.contains(event.event.feature) ?? true {
        opening += Self.frame(event, format)
      }
      // Under the lock, so that no newer event can overtake these.
      try? exchange.offer(opening, backlogMax: Int.max)
      return state.nextID
    }
    exchange.onDisconnect { [self] in state.withLock { _ = $0.subscribers.removeValue(forKey: id) }
    }
  }

  func publish(_ event: StoredEvent) {
    let native = Self.frame(event, .native)
    let ofrep = Self.frame(event, .ofrep)
    state.withLock { state in
      state.recent.append(event)
      if state.recent.count > Self.recentMax { state.recent.removeFirst() }
    }
    send { subscriber in
      guard subscriber.features?.contains(event.event.feature) ?? true else { return nil }
      return subscriber.format == .native ? native : ofrep
    }
  }

  /// Keeps idle connections alive through proxies, until the task is cancelled.
  func beat() async {
    let comment = Array(": \n\n".utf8)
    while !Task.isCancelled {
      try? await Task.sleep(for: Self.heartbeat)
      send { _ in comment }
    }
  }

  /// Ends every stream properly.
  func close() {
    for subscriber in state.withLock({ Array($0.subscribers.values) }) {
      subscriber.exchange.finish()
    }
  }

  private func send(_ bytes: (Subscriber) -> [UInt8]?) {
    for (id, subscriber) in state.withLock({ $0.subscribers }) {
      guard let bytes = bytes(subscriber) else { continue }
      do { try subscriber.exchange.offer(bytes, backlogMax: Self.backlogMax) } catch {
        // It does not read: cut it off, it will come back and ask for what it missed.
        subscriber.exchange.abort()
        state.withLock { _ = $0.subscribers.removeValue(forKey: id) }
      }
    }
  }

  private static func frame(_ event: StoredEvent, _ format: Format) -> [UInt8] {
    switch format {
    case .native:
      let data = (try? WireEncoder.json(EventView(event))) ?? Array("{}".utf8)
      return Array("id: \(event.id)\nevent: \(event.event.kind.rawValue)\ndata: ".utf8) + data
        + Array("\n\n".utf8)
    case .ofrep:
      let seconds = event.event.at.milliseconds / 1000
      return Array(
        """
        id: \(event.id)
        event: message
        data: {"type":"refetchEvaluation","lastModified":\(seconds)}


        """.utf8)
    }
  }
}

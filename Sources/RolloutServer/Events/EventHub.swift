import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import Synchronization

/// Tells subscribers of server-sent events what happens to plans, and what the monitor noticed.
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
    var recent: [Message] = []
  }

  private static let recentMax = 256

  private let state = Mutex(State())

  var count: Int { state.withLock { $0.subscribers.count } }

  /// Begins the stream on `exchange`. `missed` messages are sent first; those that came after the
  /// last of them, or after `last`, follow without a gap.
  func subscribe(
    _ exchange: Exchange, _ format: Format, features: Set<String>?, last: EventPlace?,
    missed: [Message]
  ) {
    exchange.begin(
      status: 200, contentType: "text/event-stream",
      headers: [("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")])
    let id = state.withLock { state in
      state.nextID += 1
      state.subscribers[state.nextID] = Subscriber(
        exchange: exchange, format: format, features: features)
      var replay = missed
      if let seen = missed.last?.place ?? last {
        replay += state.recent.filter { $0.place > seen }
      }
      var opening = Array("retry: 2000\n: connected\n\n".utf8)
      for message in replay where features?.contains(message.feature) ?? true {
        opening += Self.frame(message, format) ?? []
      }
      // Under the lock, so that no newer event can overtake these.
      try? exchange.offer(opening, backlogMax: Int.max)
      return state.nextID
    }
    exchange.onDisconnect { [self] in state.withLock { _ = $0.subscribers.removeValue(forKey: id) }
    }
  }

  func publish(_ message: Message) {
    let native = Self.frame(message, .native)
    let ofrep = Self.frame(message, .ofrep)
    state.withLock { state in
      state.recent.append(message)
      if state.recent.count > Self.recentMax { state.recent.removeFirst() }
    }
    send { subscriber in
      guard subscriber.features?.contains(message.feature) ?? true else { return nil }
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

  /// nil when this format has no word for it: a notice changes no flag.
  private static func frame(_ message: Message, _ format: Format) -> [UInt8]? {
    switch (format, message) {
    case (.native, _):
      let data =
        switch message {
        case .event(let event): try? WireEncoder.json(EventView(event))
        case .notice(let notice): try? WireEncoder.json(NoticeView(notice))
        }
      return Array("id: \(message.place.text)\nevent: \(message.kind)\ndata: ".utf8)
        + (data ?? Array("{}".utf8)) + Array("\n\n".utf8)
    case (.ofrep, .event(let event)):
      let seconds = event.event.at.milliseconds / 1000
      return Array(
        """
        id: \(event.id)
        event: message
        data: {"type":"refetchEvaluation","lastModified":\(seconds)}


        """.utf8)
    case (.ofrep, .notice): return nil
    }
  }
}

/// Where a message stands in the one order of the event stream: plan events by id, notices between
/// them.
struct EventPlace: Comparable, Sendable {
  var event: Int
  /// 0 for the event itself.
  var notice: Int

  init(event: Int, notice: Int) {
    self.event = event
    self.notice = notice
  }

  /// `12`, or `12.3` for a notice; nil for anything else.
  init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let event = Int(parts[0]), event >= 0 else { return nil }
    guard parts.count == 2 else {
      self.init(event: event, notice: 0)
      return
    }
    guard let notice = Int(parts[1]), notice > 0 else { return nil }
    self.init(event: event, notice: notice)
  }

  var text: String { notice == 0 ? "\(event)" : "\(event).\(notice)" }

  static func < (a: EventPlace, b: EventPlace) -> Bool {
    (a.event, a.notice) < (b.event, b.notice)
  }
}

extension Message {
  var place: EventPlace {
    switch self {
    case .event(let event): EventPlace(event: event.id, notice: 0)
    case .notice(let notice): EventPlace(event: notice.afterEvent, notice: notice.id)
    }
  }
}

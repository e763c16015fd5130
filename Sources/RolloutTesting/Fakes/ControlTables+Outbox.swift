package import RolloutCore

/// A message that is to be told to one receiver.
package struct QueuedDelivery: Sendable, Equatable {
  package let id: Int
  package let receiver: String
  package let message: Message
  package fileprivate(set) var attempts = 0
  package fileprivate(set) var dueAt = Instant(milliseconds: 0)
  package fileprivate(set) var deliveredAt: Instant?
  package fileprivate(set) var givenUpAt: Instant?

  package var waits: Bool { deliveredAt == nil && givenUpAt == nil }

  fileprivate var isUrgent: Bool {
    guard case .event = message else { return false }
    return Message.urgentKinds.contains(message.kind)
  }

  fileprivate var lane: DeliveryLane { DeliveryLane(receiver: receiver, isUrgent: isUrgent) }
}

extension ControlTables {
  mutating func enqueue(_ message: Message) {
    for subscription in subscriptions where subscription.wants(message.kind) {
      queued += 1
      deliveries.append(
        QueuedDelivery(id: queued, receiver: subscription.receiver, message: message))
    }
  }

  package mutating func append(_ notice: Notice) -> StoredNotice {
    let stored = StoredNotice(
      id: (notices.last?.id ?? 0) + 1, afterEvent: events.count, notice: notice)
    notices.append(stored)
    enqueue(.notice(stored))
    let oldest = stored.id - Retention.noticesMax
    notices.removeAll { $0.id <= oldest }
    deliveries.removeAll { delivery in
      if case .notice(let notice) = delivery.message { notice.id <= oldest } else { false }
    }
    return stored
  }

  private func due(_ now: Instant) -> [QueuedDelivery] {
    deliveries.filter { $0.waits && $0.dueAt <= now }
  }

  package func lanes(now: Instant) -> [DeliveryLane] {
    Set(due(now).map(\.lane)).sorted {
      $0.isUrgent == $1.isUrgent ? $0.receiver < $1.receiver : $0.isUrgent
    }
  }

  package func due(_ lane: DeliveryLane, now: Instant, limit: Int) -> [Delivery] {
    let due = due(now).filter { $0.lane == lane }
    return (lane.isUrgent ? due.reversed() : due).prefix(limit).map {
      Delivery(id: $0.id, receiver: $0.receiver, message: $0.message, attempts: $0.attempts)
    }
  }

  private func places(_ isMeant: (QueuedDelivery) -> Bool) -> [Int] {
    deliveries.indices.filter { isMeant(deliveries[$0]) }
  }

  package mutating func delivered(_ id: Int, at now: Instant) {
    for place in places({ $0.id == id }) {
      deliveries[place].deliveredAt = now
      deliveries[place].attempts += 1
    }
  }

  package mutating func failed(_ id: Int, retryAt: Instant?, at now: Instant) {
    for place in places({ $0.id == id }) {
      deliveries[place].attempts += 1
      deliveries[place].dueAt = retryAt ?? deliveries[place].dueAt
      deliveries[place].givenUpAt = retryAt == nil ? now : nil
    }
  }

  package mutating func hasten(_ receiver: String, at now: Instant) {
    for place in places({ $0.receiver == receiver && $0.waits && $0.dueAt > now }) {
      deliveries[place].dueAt = now
    }
  }

  package mutating func trim(waitingMax: Int, at now: Instant) -> Int {
    deliveries.removeAll {
      $0.deliveredAt.map { $0 + Retention.delivered < now } ?? false
        || $0.givenUpAt.map { $0 + Retention.givenUp < now } ?? false
    }
    var excess: Set<Int> = []
    for (_, waiting) in Dictionary(grouping: deliveries.filter(\.waits), by: \.receiver) {
      let ordered = waiting.sorted {
        $0.isUrgent == $1.isUrgent ? $0.id > $1.id : $0.isUrgent
      }
      excess.formUnion(ordered.dropFirst(waitingMax).map(\.id))
    }
    for place in places({ excess.contains($0.id) }) { deliveries[place].givenUpAt = now }
    return excess.count
  }

  package var backlog: (waiting: Int, givenUp: Int) {
    let open = deliveries.filter { $0.deliveredAt == nil }
    return (open.count { $0.givenUpAt == nil }, open.count { $0.givenUpAt != nil })
  }

  // MARK: History

  package var newestPlace: MessagePlace {
    let last = events.last?.id ?? 0
    return MessagePlace(event: last, notice: notices.last { $0.afterEvent == last }?.id ?? 0)
  }

  package var oldestPlace: MessagePlace {
    guard let first = notices.first, first.id > 1 else { return .beginning }
    return Message.notice(first).place.predecessor
  }

  package func page(after place: MessagePlace, features: Set<String>?) -> HistoryPage {
    let all = events.map(Message.event) + notices.map(Message.notice)
    let later = all.filter { $0.place > place }.sorted { $0.place < $1.place }
    return HistoryPage(
      messages: later.filter { features?.contains($0.feature) ?? true },
      end: later.last?.place ?? place, isLast: true)
  }
}

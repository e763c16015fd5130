import RolloutCore

/// The one way from what happened to those who are told: it is on disk, with a message for every
/// subscriber; then the event stream tells it; then the courier takes the messages along.
struct Announcer: PlanObserver {
  let outbox: any OutboxStore
  let hub: EventHub
  /// Tells the courier that there is something to deliver.
  let wake: @Sendable () -> Void
  let log: Log

  /// What the controller has committed.
  func hear(_ event: StoredEvent) { tell(.event(event)) }

  /// Keeps a notice and tells it; what cannot be kept nobody is told, but for the log.
  func announce(_ notice: Notice) async {
    do { tell(.notice(try await outbox.append(notice))) } catch {
      log.error("a notice could not be kept", ["feature": notice.feature, "error": "\(error)"])
    }
  }

  private func tell(_ message: Message) {
    hub.publish(message)
    wake()
  }
}

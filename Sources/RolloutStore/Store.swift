package import RolloutCore
import Synchronization

/// The control database: plans, history, cohorts, tokens, alerts. Commits are durable (`FULL`).
package final class Store: Sendable {
  let database: Database
  /// Who is told of events and notices.
  private let subscribed: Mutex<[Subscription]>
  var subscriptions: [Subscription] { subscribed.withLock { $0 } }
  /// Told of every message in the order of the commits, on the database's thread, before whoever
  /// asked for it.
  let committed: @Sendable (Message) -> Void

  /// Opens `<data>/rollout.db`, creating and migrating it. Throws `StoreError`.
  package init(
    _ directory: DataDirectory, migrations: [Migration] = Migration.control,
    subscriptions: [Subscription] = [], now: Instant,
    committed: @escaping @Sendable (Message) -> Void = { _ in }
  ) throws {
    subscribed = Mutex(subscriptions)
    self.committed = committed
    database = try Database(
      directory, DataDirectory.mainFile, durability: .full, migrations: migrations, now: now)
  }

  /// From the next event on these are told; what is queued already stays queued.
  package func subscribe(_ subscriptions: [Subscription]) {
    subscribed.withLock { $0 = subscriptions }
  }

  /// Why plans cannot be written now, in words; nil when all is well.
  package var trouble: String? { database.trouble }

  /// Writes nothing, durably: whether writing works again. Throws `StoreError`.
  package func probe() async throws { try await database.probe() }

  /// Once the other files are open: whether they know of a newer one than this, and keeps that they
  /// are there. Throws `StoreError`.
  package func confirm(_ directory: DataDirectory) async throws {
    try await database.confirm(directory)
    try? await database.keepMark(directory)
  }

  /// Waits for what has been asked; further work is refused.
  package func close() async { await database.close() }
}

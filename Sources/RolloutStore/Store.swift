package import RolloutCore

/// The control database: plans, history, cohorts, tokens, alerts. Commits are durable (`FULL`).
package final class Store: Sendable {
  let database: Database
  /// Who is told of events and notices.
  let subscriptions: [Subscription]

  /// Opens `<data>/rollout.db`, creating and migrating it. Throws `StoreError`.
  package init(
    _ directory: DataDirectory, migrations: [Migration] = Migration.embedded,
    subscriptions: [Subscription] = [], now: Instant
  ) throws {
    self.subscriptions = subscriptions
    database = try Database(
      path: directory.databasePath, durability: .full, migrations: migrations, now: now)
  }

  /// Waits for what has been asked; further work is refused.
  package func close() async { await database.close() }
}

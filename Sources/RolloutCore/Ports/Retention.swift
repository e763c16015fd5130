/// How much of what outlives a request is kept, and for how long. Every store keeps to it; what a
/// configuration says comes with the call.
package enum Retention {
  /// Notices; the oldest go, with their deliveries.
  package static let noticesMax = 10_000
  /// Deliveries that are done.
  package static let delivered = TimeSpan.days(7)
  /// Those that were given up, for people to see what they missed.
  package static let givenUp = TimeSpan.days(30)
  /// The answer to a request with an idempotency key.
  package static let answers = TimeSpan.days(1)
  /// Alerts of one sender that did nothing, and that were resolved; the oldest go.
  package static let inertAlertsMax = 1000
  package static let resolvedAlertsMax = 10_000
  /// Alerts that acted, whoever sent them.
  package static let actedAlertsMax = 100_000
  /// Lines of the audit of one actor and type, and of all; the oldest go.
  package static let auditPerActorMax = 1000
  package static let auditMax = 100_000
  /// Outcomes of one feature; the oldest go, by what is kept together.
  package static let outcomesMax = 500_000
  /// Ids of one feature that are remembered, so that none is counted twice; the oldest go.
  package static let idsMax = 2 * RecentIDs.capacity
}

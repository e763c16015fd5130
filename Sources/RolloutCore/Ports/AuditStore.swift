/// What is asked of the audit.
package struct AuditQuery: Sendable {
  /// Ids below this; nil from the newest on, as with the others nil is all.
  package var before: Int?
  /// Done then or later, the last time at least.
  package var since: Instant?
  package var type: String?
  /// As in `Actor.text`.
  package var actor: String?
  package var limit: Int

  package init(before: Int?, since: Instant?, type: String?, actor: String?, limit: Int) {
    self.before = before
    self.since = since
    self.type = type
    self.actor = actor
    self.limit = limit
  }
}

/// Keeps who changed what beside the plans.
///
/// Promises: a call keeps all of its records or none, durable on return; records with the same
/// `fold` are one. Of one actor and type the newest `Retention.auditPerActorMax` are kept, of all
/// `Retention.auditMax`: who does one thing often pushes out nothing else. What changes in the same
/// database is kept in the transaction of the change: the ports of tokens, sessions and cohorts
/// take its record. A call costs in proportion to what it is given or gives, and is not ended by
/// cancelling who waits for it. Throws `StoreError`.
package protocol AuditStore: Sendable {
  func keep(_ records: [AuditRecord]) async throws
  /// Newest first.
  func audit(_ query: AuditQuery) async throws -> [AuditRecord]
  /// Forgets what was done before then, and not since.
  func forgetAudit(before: Instant) async throws
}

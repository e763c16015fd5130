package import DocumentKit

/// A change that is no event of a plan: who did what to what, when and why. Never a secret, and
/// never the id of a user.
package struct AuditRecord: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    case tokenCreated = "token_created"
    case tokenRevoked = "token_revoked"
    case signedIn = "signed_in"
    case signedOut = "signed_out"
    case signInFailed = "sign_in_failed"
    case cohortMembersAdded = "cohort_members_added"
    case cohortMembersRemoved = "cohort_members_removed"
    case cohortDeleted = "cohort_deleted"
    case configurationReloaded = "configuration_reloaded"
    case configurationRefused = "configuration_refused"
    case budgetAccepted = "budget_accepted"
    case backupTaken = "backup_taken"
    case capturesDeleted = "captures_deleted"
    case jobCancelled = "job_cancelled"
    case olderDataAccepted = "older_data_accepted"
  }

  /// 0 until it is kept.
  package var id = 0
  /// A `Kind`, or the word of another edition.
  package var type: String
  package var at: Instant
  /// When it was repeated last.
  package var lastAt: Instant
  package var actor: Actor
  /// What was changed, by its name: a token, a cohort, a budget, a feature.
  package var target: String
  /// What who did it says; empty for nothing.
  package var reason: String
  /// Users that were let in or taken out; 0 where it is not about users.
  package var users = 0
  /// What else is known of it.
  package var details: Document?
  /// How often it was done alike within the hour.
  package var count = 1

  package init(
    _ kind: Kind, by actor: Actor, target: String = "", reason: String = "",
    details: Document? = nil, at: Instant
  ) {
    type = kind.rawValue
    self.at = at
    lastAt = at
    self.actor = actor
    self.target = target
    self.reason = reason
    self.details = details
  }

  /// As it is stored.
  package init(
    id: Int, type: String, at: Instant, lastAt: Instant, actor: Actor, target: String,
    reason: String, users: Int, details: Document?, count: Int
  ) {
    self.id = id
    self.type = type
    self.at = at
    self.lastAt = lastAt
    self.actor = actor
    self.target = target
    self.reason = reason
    self.users = users
    self.details = details
    self.count = count
  }

  package var kind: Kind? { Kind(rawValue: type) }

  /// Records with the same are kept as one: what was done alike within an hour. nil for what is
  /// done seldom, and stands alone.
  package var fold: String? {
    switch kind {
    case .tokenCreated, .tokenRevoked, .cohortDeleted, .budgetAccepted, .olderDataAccepted, nil:
      return nil
    case .signedIn, .signedOut, .signInFailed, .cohortMembersAdded, .cohortMembersRemoved,
      .configurationReloaded, .configurationRefused, .backupTaken, .capturesDeleted,
      .jobCancelled:
      let hour = at.milliseconds / TimeSpan.hours(1).milliseconds
      return Document.array([
        .string(type), .int(hour), .string(actor.text), .string(target), .string(reason),
        details ?? .null,
      ]).jsonText
    }
  }

  /// Takes in one that has the same `fold`.
  package mutating func merge(_ other: AuditRecord) {
    lastAt = max(lastAt, other.lastAt)
    users = users.adding(other.users)
    count = count.adding(other.count)
  }
}

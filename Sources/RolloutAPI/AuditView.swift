package import DocumentKit
package import RolloutCore

/// A change that is no event of a plan.
package struct AuditView: Codable, Sendable, Equatable {
  package var id: Int
  package var at: String
  /// When it was repeated last; the same as `at` for what was done once.
  package var lastAt: String
  package var type: String
  package var actor: String
  /// What was changed, by its name; empty where the type says it.
  package var target: String
  package var reason: String
  /// What was done, in words that go on after who did it.
  package var sentence: String
  /// How often it was done alike within the hour.
  package var count: Int
  /// Users that joined or left; absent where it is not about users.
  package var users: Int?
  package var details: Document?

  package init(_ record: AuditRecord) {
    id = record.id
    at = record.at.rfc3339
    lastAt = record.lastAt.rfc3339
    type = record.type
    actor = record.actor.text
    target = record.target
    reason = record.reason
    sentence = record.sentence
    count = record.count
    users = record.users == 0 ? nil : record.users
    details = record.details
  }
}

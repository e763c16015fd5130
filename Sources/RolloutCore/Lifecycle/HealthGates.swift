/// What the health of a stage lets an advance wait for. Each entry is a sentence; empty is open.
package struct HealthGates: Sendable, Equatable {
  /// No outcome of this stage lately.
  package var freshness: [String] = []
  /// Guards that act now, or when what triggered them goes on; they stop a person too.
  package var firing: [String] = []
  /// Guards that are not quiet; they stop automation.
  package var unsettled: [String] = []
  /// Evidence of health that is still missing; it stops automation, persons who say no reason, and
  /// all where the plan says `require_evidence`.
  package var unproven: [String] = []
  /// What is missing until the stage has shown that the incident is over; it stops a restore.
  package var recovery: [String] = []
  /// What the next stage will use; nil while that cannot be told.
  package var projection: Projection?

  /// Budgets and quotas that the next stage would exceed; they stop the same.
  package var capacity: [String] { projection?.exceeded ?? [] }

  /// Outcomes older than this say nothing about now.
  static let freshnessMax = TimeSpan.hours(1)

  package init() {}

  /// Everything that a person may pass with a reason, in the order of the gates.
  package var warnings: [String] { freshness + unsettled + unproven + capacity }

  /// Whether nothing of it stands in the way of automation.
  package var isOpen: Bool { firing.isEmpty && warnings.isEmpty }
}

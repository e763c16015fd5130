package import DocumentKit

/// One line of a plan's history. Append-only: written in the same transaction as its version.
package struct PlanEvent: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    case applied, started, advanced
    case rolledBack = "rolled_back"
    case paused, resumed, held, released, acknowledged, approved, killed, completed, archived
    case unarchived, restored
  }

  package struct Place: Sendable, Equatable {
    package var stage: String
    package var status: Plan.Status

    package init(stage: String, status: Plan.Status) {
      self.stage = stage
      self.status = status
    }

    package init(_ plan: Plan) {
      stage = plan.stageName
      status = plan.status
    }
  }

  package var feature: String
  /// The version this event made.
  package var version: Int
  package var at: Instant
  package var kind: Kind
  package var actor: Actor
  package var reason: String
  /// nil for the first version.
  package var from: Place?
  package var to: Place
  /// The numbers behind an automatic change; nil for a person's.
  package var evidence: Document?

  package init(
    feature: String, version: Int, at: Instant, kind: Kind, actor: Actor, reason: String,
    from: Place?, to: Place, evidence: Document?
  ) {
    self.feature = feature
    self.version = version
    self.at = at
    self.kind = kind
    self.actor = actor
    self.reason = reason
    self.from = from
    self.to = to
    self.evidence = evidence
  }
}

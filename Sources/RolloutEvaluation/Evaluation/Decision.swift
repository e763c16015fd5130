/// Whether one user gets one feature, and why.
package struct Decision: Sendable, Equatable {
  /// OpenFeature's standard reasons, as OFREP 0.3.0 lists them.
  package enum Reason: String, Sendable {
    case targetingMatch = "TARGETING_MATCH"
    case split = "SPLIT"
    case `static` = "STATIC"
    case disabled = "DISABLED"
  }

  /// The rule that decided. Stage numbers index the audience's stages.
  package enum Cause: Sendable, Equatable {
    case notServing
    case forcedOff
    case forcedOn
    case notEligible
    case heldOut
    case matchedRule(stage: Int)
    case member(stage: Int)
    case bucketInside(stage: Int)
    case everyone(stage: Int)
    case inNoStage
  }

  package var enabled: Bool
  /// Index of the first stage that includes the user; nil where none does. On the wire it is
  /// the `cohort`.
  package var entryStage: Int?
  /// nil without a user id.
  package var bucket: Int?
  package var reason: Reason
  package var cause: Cause
}

/// A percentage would have to decide, and there is no user id to hash.
package struct UserRequired: Error {}

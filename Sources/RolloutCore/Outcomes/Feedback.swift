/// What a user said or did about an answer.
package struct Feedback: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    case thumbsUp = "thumbs_up"
    case thumbsDown = "thumbs_down"
    case regenerate, abandon
  }

  package var kind: Kind
  package var arm: Outcome.Arm
  /// As in `Outcome`.
  package var user: UInt64?
  package var at: Instant

  package init(kind: Kind, arm: Outcome.Arm, user: UInt64?, at: Instant) {
    self.kind = kind
    self.arm = arm
    self.user = user
    self.at = at
  }
}

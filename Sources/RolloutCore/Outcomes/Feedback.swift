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
  /// When it was decided who serves the request that it is about: the vote belongs to the stage in
  /// force then. `at` where nothing is known.
  package var beganAt: Instant

  package init(
    kind: Kind, arm: Outcome.Arm, user: UInt64?, at: Instant, beganAt: Instant? = nil
  ) {
    self.kind = kind
    self.arm = arm
    self.user = user
    self.at = at
    self.beganAt = beganAt ?? at
  }
}

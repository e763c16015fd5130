package import DocumentKit

/// What the monitor does about what it found. Values, so that a test compares them and only the
/// shell performs them.
package enum MonitorAction: Sendable, Equatable {
  case command(Command, reason: String, guard: Int?)
  /// Told to people; changes nothing.
  case notice(Notice.Kind, sentence: String, guard: Int?)
}

/// Something people should hear of that is no change of a plan.
package struct Notice: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    /// The overall verdict of a feature changed.
    case verdict
    /// A guard with `action: notify` fires.
    case `guard`
    /// A guard in dry run would have acted.
    case dryRun = "dry_run"
    /// The monitor wanted to act, and somebody else was faster.
    case overtaken
    /// A budget passed one of its marks.
    case budget
    /// The next step of a plan waits for nothing but approval.
    case approval
  }

  package var feature: String
  package var planVersion: Int
  package var at: Instant
  package var kind: Kind
  package var sentence: String
  package var evidence: Document?

  package init(
    feature: String, planVersion: Int, at: Instant, kind: Kind, sentence: String,
    evidence: Document?
  ) {
    self.feature = feature
    self.planVersion = planVersion
    self.at = at
    self.kind = kind
    self.sentence = sentence
    self.evidence = evidence
  }
}

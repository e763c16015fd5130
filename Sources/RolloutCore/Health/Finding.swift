/// What one guard of a plan concludes.
package struct Finding: Sendable, Equatable {
  package var rule: Guard
  package var verdict: Verdict
  /// Whom to blame if it fires.
  package var attribution: Detector.Attribution
  /// The score at which evidence triggers.
  package var threshold: Double
  /// Since when it is over its mark; nil while it is not.
  package var failingSince: Instant?
}

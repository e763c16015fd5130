package import DocumentKit

/// Who asks, when and why, and what the world says about it.
package struct CommandContext: Sendable {
  package var actor: Actor
  package var reason: String
  package var now: Moment
  /// The time as the plan's hours have it; without their zones automation waits for ever.
  package var civil: CivilClock
  /// Skips gates; neither holds nor approvals. Needs a reason.
  package var force = false
  /// What the health of the stage lets an advance wait for.
  package var health = HealthGates()
  package var evidence: Document?
  /// Who asked for the feature in the last day; only an archive wants to know.
  package var askers: [Asker] = []
  /// Whether somebody did before that is known by name.
  package var wasAskedBefore = false
  /// What the file that is applied changes, where that was computed beforehand. Of another version
  /// of the plan it is not looked at.
  package var audience: AudienceChange?
  /// The feature's name, said again by who means it.
  package var confirm: String?

  package init(actor: Actor, reason: String, now: Moment) {
    self.actor = actor
    self.reason = reason
    self.now = now
    civil = CivilClock(now: now.wall)
  }

  /// Whether somebody said why.
  var hasReason: Bool { !reason.allSatisfy(\.isWhitespace) }

  /// On a machine whose clock never stepped.
  package init(actor: Actor, reason: String, now: Instant) {
    self.init(actor: actor, reason: reason, now: Moment(now))
  }
}

package import RolloutCore

/// What the file does not say, and whoever moves in does.
package struct ImportSettings: Sendable {
  /// The attribute that is the user id here; nil for the system's own.
  package var userAttribute: String?
  /// Of Unleash; nil where the file is of one.
  package var environment: String?
  /// When shares that grow with time, and dates, are looked at.
  package var time: Instant

  package init(time: Instant) { self.time = time }
}

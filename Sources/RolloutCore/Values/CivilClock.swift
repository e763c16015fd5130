/// The time as clocks on walls show it, in the zones that somebody asks about.
package struct CivilClock: Sendable, Equatable {
  /// What the wall clock says.
  package let now: Instant
  /// What it would say had it not been set a moment ago; nil when it was not. Nobody can tell yet
  /// which of the two is right.
  package let before: Instant?
  /// By name; a zone that is not in it is not known here.
  package let zones: [String: ZoneRules]

  package init(now: Instant, before: Instant? = nil, zones: [String: ZoneRules] = [:]) {
    self.now = now
    self.before = before
    self.zones = zones
  }
}

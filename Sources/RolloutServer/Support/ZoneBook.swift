import DocumentKit
import PlatformKit
import RolloutCore
import Synchronization

/// The time zones that plans name, as this machine has them.
///
/// A zone is read again now and then: an update of `tzdata` counts without a restart.
final class ZoneBook: Sendable {
  /// For so long what was read counts, and that there was nothing.
  private static let freshFor = TimeSpan.minutes(1)
  /// Names that are remembered; what is asked for by strangers must not grow without end.
  private static let keptMax = 1000

  private struct Entry {
    var rules: ZoneRules?
    var readAt: Instant
  }

  private let clock: any SteadyClock
  private let folder = ZoneFolder()
  private let entries = Mutex<[String: Entry]>([:])

  init(clock: any SteadyClock) { self.clock = clock }

  /// The zones that this machine does not know.
  func unknown(_ names: Set<String>) -> [String] {
    names.filter { rules(of: $0) == nil }.sorted()
  }

  /// nil for a zone that this machine does not know. UTC is known everywhere.
  private func rules(of name: String) -> ZoneRules? {
    if name == "UTC" { return .utc }
    let now = clock.steady
    let kept = entries.withLock { $0[name] }
    if let kept, now.since(kept.readAt) < Self.freshFor { return kept.rules }
    let rules = folder.file(of: name).flatMap { ZoneRules(file: $0) }
    entries.withLock { entries in
      if entries.count >= Self.keptMax { entries = [:] }
      entries[name] = Entry(rules: rules, readAt: now)
    }
    return rules
  }

  /// The time as the hours of a plan have it, at a moment of the wall clock.
  func civil(for definition: PlanDefinition, at now: Moment) -> CivilClock {
    let names = definition.zoneNames
    let zones = names.compactMap { name in rules(of: name).map { (name, $0) } }
    // The steady timeline began late: before its first hour nobody has set anything.
    let isDoubted = clock.hasStepped(since: now.steady - ScheduleStanding.doubt)
    let readings = isDoubted ? clock.wallReadings : []
    return CivilClock(
      now: now.wall, before: readings.count > 1 ? readings[1] : nil,
      zones: Dictionary(uniqueKeysWithValues: zones))
  }

  /// Refuses a plan in whose hours a zone stands that this machine does not know.
  func check(_ file: Document) throws(DocumentError) {
    for mention in OpeningHours.zones(in: file) where rules(of: mention.name) == nil {
      throw DocumentError(
        OpeningHours.unknownZone(mention.name, isMachineEmpty: !folder.isThere),
        at: mention.position, path: mention.path)
    }
  }
}

/// Whether a plan's hours and times let automation enter its next stage now, and when they do.
///
/// They are promises about the calendar and are therefore told by the wall clock, as nothing else
/// of a plan is: soak, cooldown and evidence go on by the clock that nobody sets.
package struct ScheduleStanding: Sendable, Equatable {
  /// What automation waits for, each a sentence with its name; empty while it is open.
  package private(set) var waitingOn: [String] = []
  /// For people.
  package private(set) var sentence = ""
  /// When it opens; nil while it is open, and where nobody can tell.
  package private(set) var opensAt: Instant?
  /// When it shuts; nil while it is shut, and where it stays open.
  package private(set) var closesAt: Instant?

  package var isOpen: Bool { waitingOn.isEmpty }

  /// nil where the next stage may be entered at any time, or there is none.
  init?(_ plan: Plan, _ civil: CivilClock) {
    guard plan.status == .active, let stage = plan.nextStage else { return nil }
    let time = stage.advanceAt
    let hours = stage.hours ?? plan.definition.hours
    guard time != nil || hours != nil else { return nil }
    if let unknown = hours?.first(where: { civil.zones[$0.zone] == nil }) {
      sentence =
        "this server knows no time zone \(unknown.zone), so nobody can tell when it opens: install "
        + "tzdata, or apply a plan with another zone"
      waitingOn = ["hours: \(sentence)"]
      return
    }
    let openings = hours.map { Openings($0, civil.zones) }
    stand(at: seconds(civil.now), time, openings)
    guard isOpen, let before = civil.before else { return }
    var other = self
    other.stand(at: seconds(before), time, openings)
    guard !other.isOpen else { return }
    (opensAt, closesAt) = (nil, nil)
    sentence =
      "the clock was set less than \(Self.doubt.words) ago, and it was shut by what it said before; "
      + "waits until the clock has stood for so long"
    waitingOn = ["clock: \(sentence)"]
  }

  /// For so long after the wall clock was set, both what it says and what it said before must be
  /// within the schedule: a clock that was set wrong is often set back soon.
  package static let doubt = TimeSpan.hours(1)

  /// Whether nothing of it stands in the way of automation; without a clock everything does.
  static func isOpen(_ plan: Plan, _ civil: CivilClock?) -> Bool {
    guard let civil else {
      return ScheduleStanding(plan, CivilClock(now: Instant(milliseconds: 0))) == nil
    }
    return ScheduleStanding(plan, civil)?.isOpen ?? true
  }

  private mutating func stand(at now: Int, _ time: ScheduledTime?, _ openings: Openings?) {
    let earliest = time.map { max(now, Int($0.instant.milliseconds / 1000)) } ?? now
    var opens = earliest
    if let time, earliest > now {
      let when = Self.words(time.localSeconds, now: now + time.offsetMinutes * 60)
      sentence = "opens \(when) \(time.zoneWords), in \(Self.span(earliest - now))"
      waitingOn.append("time: \(sentence)")
    }
    if let openings, !openings.contains(earliest) {
      guard let next = openings.next(after: earliest) else {
        sentence = "they do not open within \(Openings.daysAhead) days"
        waitingOn.append("hours: \(sentence)")
        return
      }
      opens = next.at
      let local = next.rules.local(at: next.at)
      let when = Self.words(local, now: next.rules.local(at: now))
      sentence = "opens \(when) \(next.zone), in \(Self.span(next.at - now))"
      waitingOn.append("hours: \(sentence)")
    }
    guard isOpen else {
      opensAt = instant(opens)
      return
    }
    if let openings {
      guard let end = openings.end(from: now) else {
        sentence = "always open"
        return
      }
      closesAt = instant(end.at)
      let when = Self.words(end.rules.local(at: end.at), now: end.rules.local(at: now))
      sentence = "open until \(when) \(end.zone)"
    } else if let time {
      let when = Self.words(time.localSeconds, now: now + time.offsetMinutes * 60)
      sentence = "open since \(when) \(time.zoneWords)"
    }
  }

  private func seconds(_ instant: Instant) -> Int {
    Int(floorDivide(instant.milliseconds, 1000))
  }

  private func instant(_ seconds: Int) -> Instant { Instant(milliseconds: Int64(seconds) * 1000) }

  private static func span(_ seconds: Int) -> String {
    // To the minute: what is days away is not told by the second.
    TimeSpan.seconds(Int64(seconds < 3600 ? seconds : (seconds + 59) / 60 * 60)).words
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// `Mon 09:00` within a week, `Tue 1 Dec 09:00`, or with the year where that is another; both are
  /// seconds as a local clock shows them.
  private static func words(_ local: Int, now: Int) -> String {
    let (day, today) = (floorDivide(local, 86_400), floorDivide(now, 86_400))
    let clock = OpeningHours.clock((local - day * 86_400) / 60)
    let name = OpeningHours.Day(number: day).title
    if (0...6).contains(day - today) { return "\(name) \(clock)" }
    let date = civil(fromDays: Int64(day))
    let isThisYear = date.year == civil(fromDays: Int64(today)).year
    return
      "\(name) \(date.day) \(months[date.month - 1])\(isThisYear ? "" : " \(date.year)") \(clock)"
  }
}

extension Lifecycle {
  /// What automation waits for by the calendar.
  static func scheduleGates(_ plan: Plan, _ civil: CivilClock) -> [String] {
    ScheduleStanding(plan, civil)?.waitingOn ?? []
  }
}

import RolloutCore
import RolloutStore
import Synchronization

/// Looks twice a second whether the files are still those that were opened and can be written, and
/// says so.
final class DataWatch: Sendable {
  static let interval = TimeSpan(milliseconds: 500)

  private let data: Databases
  private let readiness: Readiness
  private let clock: any WallClock
  private let log: Log
  /// What stands in `/readyz` until the next start.
  private let notices: Mutex<[String]>

  init(data: Databases, readiness: Readiness, clock: any WallClock, log: Log) {
    self.data = data
    self.readiness = readiness
    self.clock = clock
    self.log = log
    notices = Mutex([])
  }

  /// What was found at the start.
  func begin() { tell(data.notices) }

  private func tell(_ news: [String]) {
    guard !news.isEmpty else { return }
    for notice in news { log.error(notice) }
    let all = notices.withLock { notices in
      notices += news.filter { !notices.contains($0) }
      return notices
    }
    readiness.note("files", all.joined(separator: "; "), log)
  }

  func look() async {
    // Whoever writes next would find out; when nobody does, this is who.
    if data.control.trouble != nil { try? await data.control.probe() }
    if data.jobs.trouble != nil { try? await data.jobs.probe() }
    if data.telemetry.trouble != nil { try? await data.telemetry.probe() }
    await data.money.look(at: clock.now)
    readiness.note(
      "store", data.control.trouble.map { "plans cannot be written: \($0)" }, log)
    readiness.note(
      "jobs", data.jobs.trouble.map { "jobs can be neither taken nor done: \($0)" }, log)
    readiness.note("budgets:lost", loss, log)
    readiness.note("lock", data.directory.keepLock(), log)
    tell(data.directory.takeMended())
  }

  private var loss: String? {
    guard let loss = data.money.loss else { return nil }
    let open = loss.accepted.sorted().joined(separator: ", ")
    return "hard budgets are shut, for \(loss.why) and what was spent is not known"
      + (open.isEmpty ? "" : " (open again: \(open))")
      + ": look at the providers' bills, then rollout budget accept [NAME] --reason …"
  }
}

import RolloutCore
import RolloutStore

/// Looks twice a second whether the main file is still there and can be written, and says so.
struct DataWatch: Sendable {
  static let interval = Duration.milliseconds(500)

  let data: Databases
  let readiness: Readiness
  let clock: any WallClock
  let log: Log

  /// What was found at the start: it stands in `/readyz` until the next one.
  func begin() {
    guard !data.notices.isEmpty else { return }
    for notice in data.notices { log.error(notice) }
    readiness.note("files", data.notices.joined(separator: "; "), log)
  }

  /// Runs until the task is cancelled.
  func run() async {
    while !Task.isCancelled {
      await look()
      try? await Task.sleep(for: Self.interval)
    }
  }

  func look() async {
    // Whoever writes next would find out; when nobody does, this is who.
    if data.control.trouble != nil { try? await data.control.probe() }
    if data.jobs.isReadOnly { try? await data.jobs.probe() }
    await data.money.resume(at: clock.now)
    readiness.note(
      "store", data.control.trouble.map { "plans cannot be written: \($0)" }, log)
    readiness.note(
      "jobs", data.jobs.trouble.map { "jobs can be neither taken nor done: \($0)" }, log)
    readiness.note("budgets:lost", loss, log)
  }

  private var loss: String? {
    guard let loss = data.money.loss else { return nil }
    let open = loss.accepted.sorted().joined(separator: ", ")
    return "hard budgets are shut, for \(loss.why) and what was spent is not known"
      + (open.isEmpty ? "" : " (open again: \(open))")
      + ": look at the providers' bills, then rollout budget accept [NAME] --reason …"
  }
}

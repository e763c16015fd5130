import PlatformKit
import RolloutGateway
import Synchronization

/// Says in the log which provider calls fail: never a prompt, an answer or a user. Each is a line
/// as long as there are few; of many a minute's worth is counted. What only a person can mend (an
/// account without money, a key that is refused) is an error of its own, once an hour for each
/// provider and key.
final class ProviderAlarm: Sendable {
  private static let silence = 3_600_000
  private static let minute = 60_000
  /// Lines in a minute about one provider, model and kind of failure.
  static let linesPerMinute = 5
  /// Different ones that are remembered.
  private static let kindsMax = 1000

  private struct Told {
    /// Of the clock, counted from its beginning.
    var minute: Int
    var lines = 0
    /// Failures without a line of their own, since the last line.
    var skipped = 0
  }

  private struct State {
    /// When each advice was given last.
    var advised: [String: MonotonicInstant] = [:]
    var told: [String: Told] = [:]
  }

  private let log: Log
  private let clock: any MonotonicClock
  private let state = Mutex(State())

  init(log: Log, clock: any MonotonicClock) {
    self.log = log
    self.clock = clock
  }

  func note(_ report: Gateway.AttemptReport) {
    guard let failure = report.failure, failure != .cancelled else { return }
    tell(report, failure)
    switch failure {
    case .outOfMoney:
      advise(report, "its account has no money left; pay the bill or raise its limit")
    case .credentialRefused: advise(report, "it does not know our key; renew it")
    case .permissionDenied: advise(report, "our key may not use that model, or not send that")
    default: return
    }
  }

  private func tell(_ report: Gateway.AttemptReport, _ failure: ProviderFailure) {
    let minute = clock.monotonic.milliseconds / Self.minute
    let skipped: Int? = state.withLock { state in
      let key = "\(report.provider) \(report.model) \(failure.word)"
      if state.told.count >= Self.kindsMax, state.told[key] == nil { state.told = [:] }
      var told = state.told[key] ?? Told(minute: minute)
      defer { state.told[key] = told }
      if told.minute != minute {
        told.minute = minute
        told.lines = 0
      }
      guard told.lines < Self.linesPerMinute else {
        told.skipped += 1
        return nil
      }
      told.lines += 1
      defer { told.skipped = 0 }
      return told.skipped
    }
    guard let skipped else { return }
    log.error(
      "a provider call failed",
      [
        "provider": report.provider, "model": report.model, "kind": failure.word,
        "status": failure.status.map { "\($0)" } ?? "none",
        "milliseconds": "\(Int((report.seconds * 1000).rounded()))", "like_it_since": "\(skipped)",
      ])
  }

  private func advise(_ report: Gateway.AttemptReport, _ advice: String) {
    let now = clock.monotonic
    let isNew = state.withLock { state in
      let key = "\(report.provider) \(report.key ?? "") \(advice)"
      let before = state.advised[key]
      guard before.map({ now.milliseconds(since: $0) >= Self.silence }) ?? true else {
        return false
      }
      state.advised[key] = now
      return true
    }
    guard isNew else { return }
    log.error(
      "a provider refuses us: \(advice)",
      ["provider": report.provider, "key": report.key ?? "none", "model": report.model])
  }
}

import RolloutCore
import Synchronization

/// How reading the configuration again went, for `/metrics`.
final class ReloadState: Sendable {
  struct Result: Sendable {
    var isGood = true
    /// When the configuration in force was read.
    var at: Instant
  }

  private let state: Mutex<Result>

  init(at start: Instant) { state = Mutex(Result(at: start)) }

  var current: Result { state.withLock { $0 } }
  func succeeded(at now: Instant) { state.withLock { $0 = Result(at: now) } }
  func failed() { state.withLock { $0.isGood = false } }

  func write(_ writer: inout MetricsWriter) {
    let result = current
    writer.metric(
      "rollout_config_last_reload_successful", "gauge",
      "0 while the configuration file could not be taken the last time it was read.")
    writer.sample("rollout_config_last_reload_successful", [:], result.isGood ? 1 : 0)
    writer.metric(
      "rollout_config_last_reload_success_timestamp_seconds", "gauge",
      "When the configuration in force was read.")
    writer.sample(
      "rollout_config_last_reload_success_timestamp_seconds", [:],
      Double(result.at.milliseconds / 1000))
  }
}

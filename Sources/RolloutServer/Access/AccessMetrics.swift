import RolloutCore

/// What `/metrics` says of tokens.
struct AccessMetrics: Sendable {
  let failures: FailedAuthentications
  let tokens: TokenDirectory
  let clock: any WallClock

  func write(_ writer: inout MetricsWriter) {
    writer.metric(
      "rollout_failed_authentications_total", "counter", "Requests with a token that is not valid.")
    writer.sample("rollout_failed_authentications_total", [:], failures.total)
    let now = clock.now
    writer.metric(
      "rollout_token_expiry_timestamp_seconds", "gauge",
      "When a valid token ends; absent for those that never do.")
    for token in tokens.all where token.isValid(at: now) {
      guard let expiresAt = token.expiresAt else { continue }
      writer.sample(
        "rollout_token_expiry_timestamp_seconds", ["token": token.name],
        Double(expiresAt.milliseconds / 1000))
    }
  }
}

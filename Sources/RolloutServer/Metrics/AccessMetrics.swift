/// What `/metrics` says of tokens.
struct AccessMetrics: Sendable {
  let failures: FailedAuthentications

  func write(_ writer: inout MetricsWriter) {
    writer.metric(
      "rollout_failed_authentications_total", "counter", "Requests with a token that is not valid.")
    writer.sample("rollout_failed_authentications_total", [:], failures.total)
  }
}

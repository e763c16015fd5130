import HTTPKit

/// Where and with which fields a provider is called; worked out once.
struct ProviderAddress: Sendable {
  private let url: String
  private let whole: [(name: String, value: String)]
  private let streamed: [(name: String, value: String)]

  /// `credentials` are fields of every call.
  init(_ url: String, credentials: [(name: String, value: String)]) {
    self.url = url
    let shared = [(name: "content-type", value: "application/json")] + credentials
    whole = shared + [("accept", "application/json")]
    streamed = shared + [("accept", "text/event-stream")]
  }

  func call(_ body: [UInt8], _ attempt: Attempt, streams: Bool) -> HTTPCall {
    var call = HTTPCall("POST", url, headers: streams ? streamed : whole, body: body)
    call.setTimeouts(attempt, streams: streams)
    return call
  }
}

extension HTTPCall {
  /// The clocks of an attempt; the smallest wins.
  fileprivate mutating func setTimeouts(_ attempt: Attempt, streams: Bool) {
    timeouts.connect = min(attempt.target.connect.seconds, attempt.seconds)
    let first = attempt.target.firstContent?.seconds ?? attempt.seconds
    timeouts.firstByte = streams ? min(first, attempt.seconds) : attempt.seconds
    timeouts.idle = min(attempt.target.idle.seconds, attempt.seconds)
    timeouts.total = attempt.seconds
  }
}

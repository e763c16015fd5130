import HTTPKit

/// Where and with which fields a provider is called; worked out once.
struct ProviderAddress: Sendable {
  typealias Fields = [(name: String, value: String)]

  private let url: String
  /// Of calls for a whole answer, and for a stream, by key.
  private let fields: [(whole: Fields, streamed: Fields)]

  /// `shared` are fields of every call, `credential` makes one of a key.
  init(
    _ url: String, _ settings: GatewayConfiguration.ProviderSettings, shared: Fields = [],
    credential: (String) -> (name: String, value: String)
  ) {
    self.url = url
    let keys = settings.keys.isEmpty ? [nil] : settings.keys.map { credential($0.secret) }
    fields = keys.map { key in
      let all =
        [(name: "content-type", value: "application/json")] + shared + (key.map { [$0] } ?? [])
      return (all + [("accept", "application/json")], all + [("accept", "text/event-stream")])
    }
  }

  func call(_ body: [UInt8], _ attempt: Attempt, streams: Bool) -> HTTPCall {
    let fields = fields[attempt.key]
    var call = HTTPCall(
      "POST", url, headers: streams ? fields.streamed : fields.whole, body: body)
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

/// A provider's model.
package struct ProviderModel: Sendable, Hashable, CustomStringConvertible {
  package var provider: String
  package var model: String

  package init(provider: String, model: String) {
    self.provider = provider
    self.model = model
  }

  package var description: String { "\(provider)/\(model)" }
}

/// Where a bad outcome of the AI path came from.
package struct FailureOrigin: Sendable, Hashable {
  package var target: ProviderModel
  /// One word, as in `rollout_provider_attempts_total`: `timeout`, `server_error`, …
  package var kind: String
  /// A limit said no: never an outage, whoever else meets with it.
  package var isThrottled: Bool
  /// The provider does not know our key: no feature's fault.
  package var isRefused: Bool
  /// Where nobody was asked, since calls had failed: how long ago the last of those began.
  package var keptAwayFor: TimeSpan?

  package init(
    _ target: ProviderModel, kind: String, isThrottled: Bool, isRefused: Bool = false,
    keptAwayFor: TimeSpan? = nil
  ) {
    self.target = target
    self.kind = kind
    self.isThrottled = isThrottled
    self.isRefused = isRefused
    self.keptAwayFor = keptAwayFor
  }
}

import DocumentKit
import RolloutCore

/// An AI provider as the gateway sees it.
package struct ProviderList: Codable, Sendable {
  /// One of its models that has been called.
  package struct Model: Codable, Sendable {
    package var model: String
    /// `closed`, `open` or `half_open`.
    package var breaker: String
    package var inFlight: Int
    package var requests: Int
    package var failures: Int
    package var latencyMsP50: Double?
    package var latencyMsP95: Double?
    package var latencyMsP99: Double?

    package init(
      model: String, breaker: String, inFlight: Int, requests: Int, failures: Int,
      latencyMsP50: Double?, latencyMsP95: Double?, latencyMsP99: Double?
    ) {
      self.model = model
      self.breaker = breaker
      self.inFlight = inFlight
      self.requests = requests
      self.failures = failures
      self.latencyMsP50 = latencyMsP50
      self.latencyMsP95 = latencyMsP95
      self.latencyMsP99 = latencyMsP99
    }
  }

  /// One of its keys.
  package struct Key: Codable, Sendable {
    /// The environment variable that holds it.
    package var name: String
    /// `ok`, `limited`, `refused` or `out_of_money`.
    package var state: String
    package var inFlight: Int
    package var requests: Int

    package init(name: String, state: String, inFlight: Int, requests: Int) {
      self.name = name
      self.state = state
      self.inFlight = inFlight
      self.requests = requests
    }
  }

  package struct Entry: Codable, Sendable {
    package var name: String
    package var kind: String
    package var keys: [Key]
    /// Calls under way, streams until their end.
    package var inFlight: Int
    /// Requests that wait for room.
    package var queued: Int
    /// Requests turned away so far, by limit.
    package var rejected: [String: Int]
    /// What it allows in a minute, as configured or as its answers say; nil when nobody has said.
    package var requestsPerMinute: Double?
    package var tokensPerMinute: Double?
    package var requests: Int
    package var failures: Int
    package var models: [Model]

    package init(
      name: String, kind: String, keys: [Key], models: [Model], inFlight: Int, queued: Int,
      rejected: [String: Int], requestsPerMinute: Double?, tokensPerMinute: Double?
    ) {
      self.name = name
      self.kind = kind
      self.keys = keys
      self.inFlight = inFlight
      self.queued = queued
      self.rejected = rejected
      self.requestsPerMinute = requestsPerMinute
      self.tokensPerMinute = tokensPerMinute
      requests = models.reduce(0) { $0 + $1.requests }
      failures = models.reduce(0) { $0 + $1.failures }
      self.models = models
    }
  }
  package var providers: [Entry]

  package init(providers: [Entry]) { self.providers = providers }
}

package import DocumentKit

/// How a feature is doing.
package struct HealthView: Codable, Sendable {
  /// One guard of the plan, in its order.
  package struct GuardView: Codable, Sendable {
    package var metric: String
    package var limit: String
    package var action: String
    /// The share of bad requests, or the mean as it was, uncapped: milliseconds, dollars, tokens.
    package var rate: Double?
    /// The mean that is compared with the limit, where a request counts as less than it was; absent
    /// where none does.
    package var cappedMean: Double?
    /// A 95 % interval of `rate`, for people; the triggers do not use it.
    package var low: Double?
    package var high: Double?
    package var requests: Int
    package var errors: Int
    package var affectedUsers: Int
    /// How many they are when each weighs as much as their errors do.
    package var effectiveUsers: Double
    package var score: Double
    package var threshold: Double
    package var state: String
    package var sentence: String
    /// Evidence that all is well; an advance wants 20, the last one 100.
    package var healthyEvidence: Double?
    /// Evidence that users with the feature fare worse than those without; 10⁶ blames the feature.
    package var comparisonScore: Double?
    package var dryRun: Bool?
    /// The query of a `prometheus` guard.
    package var query: String?

    init(
      metric: String, limit: String, action: String, rate: Double?, low: Double?, high: Double?,
      requests: Int, errors: Int, affectedUsers: Int, effectiveUsers: Double, score: Double,
      threshold: Double, state: String, sentence: String
    ) {
      self.metric = metric
      self.limit = limit
      self.action = action
      self.rate = rate
      self.low = low
      self.high = high
      self.requests = requests
      self.errors = errors
      self.affectedUsers = affectedUsers
      self.effectiveUsers = effectiveUsers
      self.score = score
      self.threshold = threshold
      self.state = state
      self.sentence = sentence
    }
  }

  /// What the users of one arm met with in this stage.
  package struct ArmView: Codable, Sendable {
    package var requests: Int
    package var failed: Int
    /// Of the requests, as measured lately.
    package var share: Double
    package var outcomes: Document
    package var feedback: Document
    package var latencyMsP50: Double?
    package var latencyMsP95: Double?
    package var latencyMsP99: Double?
    package var inputTokens: Int
    package var outputTokens: Int
    package var costUsd: Double
  }

  package struct Arms: Codable, Sendable {
    package var treatment: ArmView
    package var control: ArmView
  }

  package var feature: String
  package var stage: String
  package var verdict: String
  package var sentence: String
  package var guards: [GuardView]
  package var arms: Arms
  /// What the health of this stage lets an advance wait for.
  package var waitingOn: [String]
  /// What people should know beside the verdict.
  package var notes: [String]
  /// Outcomes that belong to no arm, since attributes were missing; nil for none.
  package var unattributed: Int?

  init(
    feature: String, stage: String, verdict: String, sentence: String, guards: [GuardView],
    arms: Arms, waitingOn: [String], notes: [String]
  ) {
    self.feature = feature
    self.stage = stage
    self.verdict = verdict
    self.sentence = sentence
    self.guards = guards
    self.arms = arms
    self.waitingOn = waitingOn
    self.notes = notes
  }
}

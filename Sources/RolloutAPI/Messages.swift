package import DocumentKit
package import RolloutCore

/// The body of a plan command.
package struct CommandBody: Codable, Sendable {
  package var reason: String?
  package var to: String?
  package var force: Bool?
  /// The plan file that is approved, with `approve`.
  package var definition: Document?
  /// The feature's name, where it is in use.
  package var confirm: String?

  package init(
    reason: String?, to: String? = nil, force: Bool? = nil, definition: Document? = nil,
    confirm: String? = nil
  ) {
    self.reason = reason
    self.to = to
    self.force = force
    self.definition = definition
    self.confirm = confirm
  }
}

/// A list with the cursor of its continuation.
package struct PlanList: Codable, Sendable {
  package var plans: [PlanView]
  package var next: Nullable<String>

  package init(plans: [PlanView], next: String?) {
    self.plans = plans
    self.next = Nullable(next)
  }
}

package struct EventList: Codable, Sendable {
  package var events: [EventView]
  package var next: Nullable<String>

  package init(events: [EventView], next: String?) {
    self.events = events
    self.next = Nullable(next)
  }
}

package struct MemberList: Codable, Sendable {
  package var members: [String]
  package var next: Nullable<String>

  package init(members: [String], next: String?) {
    self.members = members
    self.next = Nullable(next)
  }
}

/// What became of a list of members.
package struct AddedMembers: Codable, Sendable {
  /// Who was not in before.
  package var added: Int
  package var alreadyMembers: Int
  /// Ids that stood more than once in this call.
  package var duplicates: Int
  /// Lines without an id in this call.
  package var empty: Int
  /// How many are in now.
  package var members: Int

  package init(added: Int, alreadyMembers: Int, duplicates: Int, empty: Int, members: Int) {
    self.added = added
    self.alreadyMembers = alreadyMembers
    self.duplicates = duplicates
    self.empty = empty
    self.members = members
  }
}

package struct CohortList: Codable, Sendable {
  package struct Entry: Codable, Sendable {
    package var name: String
    package var members: Int

    package init(name: String, members: Int) {
      self.name = name
      self.members = members
    }
  }
  package var cohorts: [Entry]
  package var next = Nullable<String>(nil)

  package init(cohorts: [Entry]) { self.cohorts = cohorts }
}

/// Whether one user has a feature.
package struct DecisionView: Codable, Sendable, Equatable {
  package var feature: String
  package var user: String?
  package var enabled: Bool
  package var variant: String
  package var cohort: String
  package var stage: String
  package var bucket: Int?
  package var reason: String
  package var planVersion: Int
  package var because: String?

  package init(
    feature: String, user: String?, enabled: Bool, variant: String, cohort: String, stage: String,
    bucket: Int?, reason: String, planVersion: Int, because: String?
  ) {
    self.feature = feature
    self.user = user
    self.enabled = enabled
    self.variant = variant
    self.cohort = cohort
    self.stage = stage
    self.bucket = bucket
    self.reason = reason
    self.planVersion = planVersion
    self.because = because
  }
}

package struct TokenList: Codable, Sendable {
  package var tokens: [TokenView]
  package var next = Nullable<String>(nil)

  package init(tokens: [TokenView]) { self.tokens = tokens }
}

package struct TokenRequest: Codable, Sendable {
  package var name: String
  package var scopes: [String]
  package var expiresIn: String?
  package var features: [String]?
  package var reason: String?

  package init(
    name: String, scopes: [String], expiresIn: String?, features: [String]?, reason: String?
  ) {
    self.reason = reason
    self.name = name
    self.scopes = scopes
    self.expiresIn = expiresIn
    self.features = features
  }
}

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

/// What became of one alert.
package struct AlertResult: Codable, Sendable, Equatable {
  package var id: String
  package var feature: String
  package var action: String
  package var acted: Bool
  package var why: String?
  /// False when it acted and could not be written yet; absent otherwise.
  package var durable: Bool?
  /// How many alerts of the payload this is said of; absent for one.
  package var count: Int?

  package init(
    id: String, feature: String, action: String, acted: Bool, why: String?, durable: Bool? = nil,
    count: Int? = nil
  ) {
    self.count = count
    self.id = id
    self.feature = feature
    self.action = action
    self.acted = acted
    self.why = why
    self.durable = durable
  }
}

package struct AlertResults: Codable, Sendable {
  package var results: [AlertResult]

  package init(results: [AlertResult]) { self.results = results }
}

package struct AlertList: Codable, Sendable {
  package struct Entry: Codable, Sendable {
    package var id: Int
    package var name: String
    package var feature: String
    package var action: String
    package var reason: String
    package var startsAt: String
    package var receivedAt: String
    package var lastReceivedAt: String
    /// How many were received that fared alike.
    package var count: Int
    package var acted: Bool
    package var why: String?

    package init(_ record: AlertRecord) {
      id = record.id
      name = record.alert.name
      feature = record.alert.feature
      action = record.alert.action.rawValue
      reason = record.alert.reason
      startsAt = record.alert.startsAt.rfc3339
      receivedAt = record.alert.receivedAt.rfc3339
      lastReceivedAt = record.lastReceivedAt.rfc3339
      count = record.count
      acted = record.state == .acted
      why = record.why
    }
  }
  package var alerts: [Entry]
  package var next: Nullable<String>

  package init(alerts: [Entry], next: String?) {
    self.alerts = alerts
    self.next = Nullable(next)
  }
}

/// `accepted` outcomes, and which were not and why.
package struct OutcomeAnswer: Codable, Sendable {
  package struct Rejection: Codable, Sendable {
    package var index: Int
    package var error: String

    package init(index: Int, error: String) {
      self.index = index
      self.error = error
    }
  }
  package var accepted = 0
  package var rejected: [Rejection] = []
  /// Figures that made no sense and were dropped; the rest of the outcome counts.
  package var warnings: [Rejection]?
  /// Accepted outcomes that belong to no arm, and what to send so that they do.
  package var unattributed: Int?
  package var hint: String?

  package init() {}
}

package struct BudgetList: Codable, Sendable {
  package var budgets: [BudgetView]
  /// Why what was spent before is not known; absent when it is.
  package var lost: String?
  /// Who has accepted that, newest first.
  package var accepted: [Acceptance]?

  package struct Acceptance: Codable, Sendable {
    /// Absent for all budgets.
    package var name: String?
    package var at: String
    package var actor: String
    package var reason: String

    package init(name: String?, at: String, actor: String, reason: String) {
      self.name = name
      self.at = at
      self.actor = actor
      self.reason = reason
    }
  }

  package init(budgets: [BudgetView]) { self.budgets = budgets }
}

/// The body of `POST /v1/budgets/accept`.
package struct BudgetAcceptMessage: Codable, Sendable {
  /// nil is all of them.
  package var name: String?
  package var reason: String

  package init(name: String?, reason: String) {
    self.name = name
    self.reason = reason
  }
}

package import DocumentKit

/// Many rollouts at a glance, the most urgent first.
package struct OverviewView: Codable, Sendable {
  /// How many there are, whatever was filtered for.
  package struct Counts: Codable, Sendable, Equatable {
    /// All but the archived ones.
    package var all = 0
    package var needsYou = 0
    package var waits = 0
    package var goesOn = 0
    package var rests = 0
    package var archived = 0

    package init() {}
  }

  /// The last ten minutes of those who have the feature.
  package struct Traffic: Codable, Sendable, Equatable {
    package var requests: Int
    package var failed: Int
    package var latencyMsP95: Nullable<Double>
    package var costUsdPerHour: Nullable<Double>
    /// About; null where nobody reported.
    package var users: Nullable<Int>

    package init(
      requests: Int, failed: Int, latencyMsP95: Double?, costUsdPerHour: Double?, users: Int?
    ) {
      self.requests = requests
      self.failed = failed
      self.latencyMsP95 = Nullable(latencyMsP95)
      self.costUsdPerHour = Nullable(costUsdPerHour)
      self.users = Nullable(users)
    }
  }

  /// The share of failed requests over the last day.
  package struct Errors: Codable, Sendable, Equatable {
    package var from: String
    package var stepS: Int
    /// One for each step; null where there was no request.
    package var rates: [Nullable<Double>]

    package init(from: String, stepS: Int, rates: [Double?]) {
      self.from = from
      self.stepS = stepS
      self.rates = rates.map { Nullable($0) }
    }
  }

  package struct Row: Codable, Sendable {
    package var feature: String
    package var description: String
    /// `needs_you`, `waits` (for a person's step), `goes_on` (by itself), `rests` or `archived`.
    package var attention: String
    package var status: String
    package var stage: String
    package var stageIndex: Int
    package var stages: [StageView]
    package var hold: Nullable<HoldView>
    package var next: Nullable<NextView>
    package var approvals: [String]
    /// Whether it advances by itself.
    package var automatic: Bool
    package var dryRun: Bool
    package var degraded: String?
    package var version: Int
    /// As in the plan's health; absent while nobody has looked yet.
    package var verdict: String?
    package var sentence: String?
    /// The limit of its error rate, as a share of 1; null without one.
    package var limit: Nullable<Double>
    package var now: Traffic
    package var lastDay: Errors
    /// What was last done to it, where it rests or is held.
    package var last: EventView?

    package init(
      _ plan: PlanView, attention: String, automatic: Bool, dryRun: Bool, limit: Double?,
      now: Traffic, lastDay: Errors
    ) {
      feature = plan.feature
      description = plan.description
      self.attention = attention
      status = plan.status
      stage = plan.stage
      stageIndex = plan.stageIndex
      stages = plan.stages
      hold = plan.hold
      next = plan.next
      approvals = plan.approvals
      self.automatic = automatic
      self.dryRun = dryRun
      degraded = plan.degraded
      version = plan.version
      self.limit = Nullable(limit)
      self.now = now
      self.lastDay = lastDay
    }
  }

  package var at: String
  package var counts: Counts
  /// How many fit what was asked for.
  package var matching: Int
  package var plans: [Row]
  package var next: Nullable<String>

  package init(at: String, counts: Counts, matching: Int, plans: [Row], next: String?) {
    self.at = at
    self.counts = counts
    self.matching = matching
    self.plans = plans
    self.next = Nullable(next)
  }
}

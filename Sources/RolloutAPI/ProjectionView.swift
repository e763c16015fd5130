package import RolloutCore

/// What a stage is expected to use, if its users do as those of the stage before.
package struct ProjectionView: Codable, Sendable, Equatable {
  package var stage: String
  /// How many times as many users it serves.
  package var growth: Double
  package var costUsdPerHour: Double
  package var tokensPerMinute: Double
  package var requestsPerMinute: Double
  /// The same at present.
  package var now: Rate
  /// Budgets and quotas it would exceed.
  package var exceeded: [String]
  package var sentence: String
  /// Bounds of `costUsdPerHour`, in 95 of 100 cases. Like all that follows nil of an older server.
  package var costUsdPerHourLow: Double?
  package var costUsdPerHourHigh: Double?
  /// False where no request says what it cost: the amounts are nothing then, and mean nothing.
  package var costKnown: Bool?
  /// What it would use of budgets.
  package var budgets: [BudgetShareView]?
  /// How sure that is, and what it takes for granted.
  package var assumes: String?

  package struct Rate: Codable, Sendable, Equatable {
    package var costUsdPerHour: Double
    package var tokensPerMinute: Double
    package var requestsPerMinute: Double
  }
}

/// How much of a budget a whole window of a stage would use, with what others spend in it.
package struct BudgetShareView: Codable, Sendable, Equatable {
  package var budget: String
  package var window: String
  package var limitUsd: Double
  /// Of 1, as the two bounds.
  package var share: Double
  package var shareLow: Double
  package var shareHigh: Double
  package var sentence: String
}

extension ProjectionView {
  package init(_ projection: Projection) {
    func rounded(_ value: Double) -> Double { (value * 10_000).rounded() / 10_000 }
    stage = projection.stage
    growth = rounded(projection.growth)
    costUsdPerHour = rounded(projection.next.dollarsPerHour)
    tokensPerMinute = rounded(projection.next.tokensPerMinute)
    requestsPerMinute = rounded(projection.next.requestsPerMinute)
    now = Rate(
      costUsdPerHour: rounded(projection.now.dollarsPerHour),
      tokensPerMinute: rounded(projection.now.tokensPerMinute),
      requestsPerMinute: rounded(projection.now.requestsPerMinute))
    exceeded = projection.exceeded
    sentence = projection.sentence
    costUsdPerHourLow = rounded(projection.cost.low)
    costUsdPerHourHigh = rounded(projection.cost.high)
    costKnown = !projection.now.isUnpriced
    budgets = projection.budgets.map { use in
      BudgetShareView(
        budget: use.budget.name, window: use.budget.period.rawValue,
        limitUsd: use.budget.limit.dollars, share: rounded(use.share.value),
        shareLow: rounded(use.share.low), shareHigh: rounded(use.share.high),
        sentence: use.sentence)
    }
    assumes = projection.assumes
  }
}

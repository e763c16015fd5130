import DocumentKit

/// What the next stage will use, if its users do as those of this stage do, and where that does not
/// fit.
package struct Projection: Sendable, Equatable {
  /// A budget that the next stage's requests are counted in.
  package struct BudgetUse: Sendable, Equatable {
    package var budget: Budget
    package var spent: Money
    /// What others spend in it at present, in dollars an hour.
    package var othersPerHour: Double

    package init(budget: Budget, spent: Money, othersPerHour: Double) {
      self.budget = budget
      self.spent = spent
      self.othersPerHour = othersPerHour
    }
  }

  /// What the provider allows that the route asks first.
  package struct Quota: Sendable, Equatable {
    package var provider: String
    package var requestsPerMinute: Double?
    package var tokensPerMinute: Double?
    /// What others ask of it at present.
    package var others: UsageRate

    package init(
      provider: String, requestsPerMinute: Double?, tokensPerMinute: Double?, others: UsageRate
    ) {
      self.provider = provider
      self.requestsPerMinute = requestsPerMinute
      self.tokensPerMinute = tokensPerMinute
      self.others = others
    }
  }

  /// A budget without an end is looked at for so long.
  private static let horizon = TimeSpan.days(30)

  /// The stage it is about.
  package let stage: String
  /// How many times as many users it serves.
  package let growth: Double
  package let now: UsageRate
  package let next: UsageRate
  /// Where it does not fit; each a sentence.
  package private(set) var exceeded: [String] = []

  package init(
    stage: String, growth: Double, rate: UsageRate, budgets: [BudgetUse], quota: Quota?,
    at time: Instant
  ) {
    self.stage = stage
    self.growth = growth
    now = rate
    next = rate * growth
    exceeded = budgets.compactMap { over($0, time) } + (quota.map(over) ?? [])
  }

  private func over(_ use: BudgetUse, _ time: Instant) -> String? {
    let end = use.budget.window(at: time).end ?? time + Self.horizon
    let hours = Double(end.since(time).milliseconds) / 3_600_000
    let total = use.spent.dollars + (next.dollarsPerHour + use.othersPerHour) * hours
    let limit = use.budget.limit.dollars
    guard total > limit, next.dollarsPerHour > 0 else { return nil }
    return "cost: stage \(stage) would bring budget \(use.budget.name) to \(dollars(total)) of "
      + "\(use.budget.limit.text) by \(end.rfc3339.prefix(10)) "
      + "(\(dollars(next.dollarsPerHour)) an hour, now \(dollars(now.dollarsPerHour)))"
  }

  private func over(_ quota: Quota) -> [String] {
    func sentence(_ projected: Double, _ limit: Double?, _ unit: String) -> String? {
      guard let limit, projected > limit else { return nil }
      return "capacity: stage \(stage) would ask \(quota.provider) for \(whole(projected)) "
        + "\(unit) a minute at its busiest, and it allows \(whole(limit))"
    }
    return [
      sentence(
        next.peakRequests + quota.others.peakRequests, quota.requestsPerMinute, "requests"),
      sentence(next.peakTokens + quota.others.peakTokens, quota.tokensPerMinute, "tokens"),
    ].compactMap { $0 }
  }

  /// For people: what it costs and takes, now and then.
  package var sentence: String {
    "stage \(stage): about \(dollars(next.dollarsPerHour)) an hour and "
      + "\(whole(next.tokensPerMinute)) tokens a minute "
      + "(now \(dollars(now.dollarsPerHour)) and \(whole(now.tokensPerMinute)))"
  }

  private func dollars(_ amount: Double) -> String {
    Money(nanodollars: Int(saturating: min(amount, 1e9) * 100).multiplied(by: 10_000_000)).text
  }

  private func whole(_ number: Double) -> String { "\(Int(saturating: number.rounded()))" }
}

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

  /// How much of a budget a whole window of the next stage would use, with what others spend.
  package struct BudgetShare: Sendable, Equatable {
    package let budget: Budget
    package let share: Estimate

    /// For people.
    package var sentence: String {
      let (low, high) = (percent(share.low).dropLast(2), percent(share.high))
      let window =
        switch budget.period {
        case .total: "in \(Projection.horizon.words)"
        case .day, .week, .month: "a \(budget.period.rawValue)"
        }
      return "would use \(percent(share.value)) (\(low)–\(high)) of budget \(budget.name) \(window)"
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
  fileprivate static let horizon = TimeSpan.days(30)

  /// The stage it is about.
  package let stage: String
  /// How many times as many users it serves.
  package let growth: Double
  package let now: UsageRate
  package let next: UsageRate
  /// Dollars an hour then.
  package let cost: Estimate
  package let budgets: [BudgetShare]
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
    // Minutes differ, and so do people: those who join are others than those who were measured.
    let byMinute = rate.dollarsPerHour > 0 ? rate.dollarsPerHourError / rate.dollarsPerHour : 0
    let byPerson = (1 - 1 / max(1, growth)) / max(1, rate.people)
    let cost = Estimate(
      next.dollarsPerHour, relativeError: (byMinute * byMinute + byPerson).squareRoot())
    self.cost = cost
    self.budgets =
      rate.isUnpriced
      ? []
      : budgets.map { use in
        func share(_ perHour: Double) -> Double {
          (perHour + use.othersPerHour) * use.budget.hours / max(use.budget.limit.dollars, 1e-9)
        }
        return BudgetShare(
          budget: use.budget,
          share: Estimate(
            value: share(cost.value), low: share(cost.low), high: share(cost.high)))
      }
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
    guard !now.isUnpriced else {
      let why =
        now.requestsPerMinute > 0 ? "no request says what it cost" : "nobody has asked lately"
      return "stage \(stage): about \(whole(next.tokensPerMinute)) tokens a minute (now "
        + "\(whole(now.tokensPerMinute))); cost unknown, since \(why)"
    }
    return "stage \(stage): about \(dollars(next.dollarsPerHour)) an hour and "
      + "\(whole(next.tokensPerMinute)) tokens a minute "
      + "(now \(dollars(now.dollarsPerHour)) and \(whole(now.tokensPerMinute)))"
  }

  /// For people: how sure that is, and of what.
  package var assumes: String {
    let people = Int(saturating: now.people.rounded())
    let basis =
      "if users ask as in the last \(TimeSpan.minutes(Int64(now.minutes)).words)"
      + (people > 0 ? ", and those who join as the \(people) who asked then" : "")
    return now.isUnpriced
      ? basis : "95 % within \(dollars(cost.low))–\(dollars(cost.high)) an hour, \(basis)"
  }

  private func dollars(_ amount: Double) -> String {
    Money(nanodollars: Int(saturating: min(amount, 1e9) * 100).multiplied(by: 10_000_000)).text
  }

  private func whole(_ number: Double) -> String { "\(Int(saturating: number.rounded()))" }
}

extension Budget {
  /// Of a window; of one without an end as many as it is looked at for.
  fileprivate var hours: Double {
    switch period {
    case .day: 24
    case .week: 168
    case .month, .total: 720
    }
  }
}

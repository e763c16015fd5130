/// What may be spent in a window of time, and by whom it is counted.
package struct Budget: Sendable, Equatable {
  package enum Period: String, Sendable, CaseIterable {
    case day, week, month, total
  }

  /// What has an account of its own; nil of a budget is one account for all.
  package enum Division: String, Sendable, CaseIterable {
    case app, feature, user, provider
  }

  package var name: String
  package var limit: Money
  package var period = Period.month
  package var division: Division?
  /// Only requests of this feature; nil for all.
  package var feature: String?
  /// Whether a spent budget refuses; a soft one only tells.
  package var isHard = true
  /// Percent of the limit at which people are told, once per window each.
  package var alertAt = [50, 80, 100]

  package init(name: String, limit: Money) {
    self.name = name
    self.limit = limit
  }

  /// The window that `now` lies in, aligned to UTC; weeks begin on Mondays. `end` is nil for ever.
  package func window(at now: Instant) -> (start: Instant, end: Instant?) {
    let dayLength: Int64 = 86_400_000
    let day = floorDivide(now.milliseconds, dayLength)
    func instant(_ day: Int64) -> Instant { Instant(milliseconds: day * dayLength) }
    switch period {
    case .total: return (Instant(milliseconds: 0), nil)
    case .day: return (instant(day), instant(day + 1))
    case .week:
      // 1970-01-01 was a Thursday.
      let monday = day - (day + 3) % 7
      return (instant(monday), instant(monday + 7))
    case .month:
      let (year, month, _) = civil(fromDays: day)
      let next = month == 12 ? (year + 1, 1) : (year, month + 1)
      return (
        instant(Int64(days(fromCivil: year, month, 1))),
        instant(Int64(days(fromCivil: next.0, next.1, 1)))
      )
    }
  }
}

/// Where one request is counted.
package struct BudgetAccount: Sendable, Hashable {
  package var budget: String
  /// Of the division: a token id, feature, hashed user or provider; empty without one.
  package var scope: String
  package var windowStart: Instant

  package init(budget: String, scope: String, windowStart: Instant) {
    self.budget = budget
    self.scope = scope
    self.windowStart = windowStart
  }
}

/// One line of a reservation.
package struct BudgetLine: Sendable, Equatable {
  package var account: BudgetAccount
  /// nil for a soft budget.
  package var ceiling: Money?
  package var limit: Money
  package var alertAt: [Int]

  package init(account: BudgetAccount, ceiling: Money?, limit: Money, alertAt: [Int]) {
    self.account = account
    self.ceiling = ceiling
    self.limit = limit
    self.alertAt = alertAt
  }
}

/// What an account holds.
package struct BudgetBalance: Sendable, Equatable {
  package var account: BudgetAccount
  package var spent: Money
  package var reserved: Money

  package init(account: BudgetAccount, spent: Money, reserved: Money) {
    self.account = account
    self.spent = spent
    self.reserved = reserved
  }
}

/// A mark of a budget that was passed just now.
package struct BudgetAlert: Sendable, Equatable {
  package var account: BudgetAccount
  package var percent: Int
  package var spent: Money
  package var limit: Money

  package init(account: BudgetAccount, percent: Int, spent: Money, limit: Money) {
    self.account = account
    self.percent = percent
    self.spent = spent
    self.limit = limit
  }
}

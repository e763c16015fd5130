/// What is spent and reserved in the accounts that are in use: the arithmetic of `BudgetStore`,
/// without a disk.
package struct BudgetBook: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    package var spent: Money
    package var reserved: Money
    /// The highest mark people were told of, in percent.
    package var alerted: Int

    package init(spent: Money = .zero, reserved: Money = .zero, alerted: Int = 0) {
      self.spent = spent
      self.reserved = reserved
      self.alerted = alerted
    }
  }

  /// What is reserved for one request.
  package struct Reservation: Sendable, Equatable {
    package var accounts: [BudgetAccount]
    package var amount: Money
  }

  package private(set) var entries: [BudgetAccount: Entry] = [:]
  private var reservations: [String: Reservation] = [:]

  package init() {}

  package subscript(_ account: BudgetAccount) -> Entry? { entries[account] }

  /// Takes in an account as it is on disk, unless it is in use already.
  package mutating func open(_ account: BudgetAccount, _ entry: Entry) {
    if entries[account] == nil { entries[account] = entry }
  }

  /// Takes in what an open account had spent before it was opened without knowing.
  package mutating func take(_ earlier: Entry, into account: BudgetAccount) {
    guard var entry = entries[account] else { return }
    entry.spent = entry.spent.adding(earlier.spent)
    entry.alerted = max(entry.alerted, earlier.alerted)
    entries[account] = entry
  }

  /// Forgets accounts that reservation nothing; they have to be opened again before they are used.
  package mutating func close(where isIdle: (BudgetAccount) -> Bool) {
    entries = entries.filter { $0.value.reserved > .zero || !isIdle($0.key) }
  }

  /// Reserves `amount` in all accounts, which must be open; nil when there was room. A ceiling is
  /// never passed; without room in one account nothing is reserved in any.
  package mutating func reserve(
    _ request: String, _ amount: Money, _ lines: [BudgetLine]
  ) -> BudgetAccount? {
    for line in lines {
      guard let entry = entries[line.account] else { return line.account }
      let used = entry.spent.adding(entry.reserved).adding(amount)
      if used > line.ceiling ?? Money(nanodollars: Int.max) { return line.account }
    }
    for line in lines {
      let reserved = entries[line.account]?.reserved ?? .zero
      entries[line.account]?.reserved = reserved.adding(amount)
    }
    reservations[request] = Reservation(accounts: lines.map(\.account), amount: amount)
    return nil
  }

  /// Gives back what was reserved; nil when nothing is, or no more.
  package mutating func release(_ request: String) -> Reservation? {
    guard let reservation = reservations.removeValue(forKey: request) else { return nil }
    for account in reservation.accounts {
      guard let entry = entries[account] else { continue }
      let left = max(0, entry.reserved.nanodollars - reservation.amount.nanodollars)
      entries[account]?.reserved = Money(nanodollars: left)
    }
    return reservation
  }

  /// Spends `amount`; returns the highest mark passed since the last one told, which then counts as
  /// told.
  package mutating func spend(_ amount: Money, _ line: BudgetLine) -> BudgetAlert? {
    guard var entry = entries[line.account] else { return nil }
    entry.spent = entry.spent.adding(amount)
    defer { entries[line.account] = entry }
    guard line.limit > .zero else { return nil }
    let percent = Double(entry.spent.nanodollars) / Double(line.limit.nanodollars) * 100
    guard let mark = line.alertAt.filter({ Double($0) <= percent && $0 > entry.alerted }).max()
    else { return nil }
    entry.alerted = mark
    return BudgetAlert(
      account: line.account, percent: mark, spent: entry.spent, limit: line.limit)
  }
}

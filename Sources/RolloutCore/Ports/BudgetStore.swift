/// Keeps what was spent and what is reserved for requests under way.
///
/// Promises: a reservation is made in all accounts or in none, and never beyond a ceiling; it
/// survives a crash of the process, and then counts in full, for nobody knows what it cost;
/// settling twice counts once. A reservation costs no disk once its accounts are in use; neither
/// call is ended by cancelling who waits for it. Throws `StoreError`: then nothing is reserved, and
/// what was to be settled stays reserved in full.
package protocol BudgetStore: Sendable {
  /// nil when there is room; else the account that has none, and nothing is reserved.
  func reserve(
    _ request: String, _ amount: Money, _ lines: [BudgetLine], at now: Instant
  ) async throws -> BudgetAccount?
  /// Turns a reservation into spending: `amounts` by account, zero for those not named.
  func settle(
    _ request: String, _ amounts: [BudgetAccount: Money], _ lines: [BudgetLine]
  ) async throws -> [BudgetAlert]
  func balances(since: Instant) async throws -> [BudgetBalance]
}

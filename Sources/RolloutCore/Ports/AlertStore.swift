/// Keeps what became of alerts, so that a repeat acts once and people can see the others.
///
/// Promises: what acted is final for everybody, what was resolved for the token that said so, what
/// did nothing for nobody; keeping the same again changes nothing but how often it came. A call
/// keeps all of its records or none, costs in proportion to them, and is not ended by cancelling
/// who waits for it. Bounded for each sender (`Retention`). Throws `StoreError`.
package protocol AlertStore: Sendable {
  /// Those of the keys about this feature and action that need no judgement any more.
  func finalAlerts(
    _ keys: Set<String>, feature: String, action: Alert.Action, sender: String
  ) async throws -> [String: AlertRecord.State]
  /// Keeps them: inert ones are folded into what was kept alike (`AlertRecord.fold`).
  func keep(_ records: [AlertRecord]) async throws
  /// Newest first, older than `before`; of these features only, where given.
  func alerts(before: Int?, limit: Int, features: Set<String>?) async throws -> [AlertRecord]
}

import RolloutCore
import Synchronization

/// Keeps who changed what, where that cannot be kept with the change itself: what is no change of
/// the control database, and what came while its disk took nothing.
///
/// What cannot be written is kept in mind, folded, and written as soon as it can be.
final class AuditTrail: Sendable {
  static let interval = TimeSpan.seconds(10)
  /// Turns between two looks for what is too old.
  private static let turnsPerForgetting = 360
  /// Different things that are kept in mind; of more the log tells.
  private static let waitingMax = 1000

  private struct State {
    /// By what they are folded by, or a number of their own.
    var waiting: [String: AuditRecord] = [:]
    var order: [String] = []
    var alone = 0

    /// Whether there was room for it, or another alike.
    mutating func take(_ record: AuditRecord, isOneMore: Bool = false) -> Bool {
      alone += 1
      let key = record.fold ?? "\(alone)"
      if waiting[key] != nil {
        waiting[key]?.merge(record)
        return true
      }
      guard waiting.count < AuditTrail.waitingMax || isOneMore else { return false }
      waiting[key] = record
      order.append(key)
      return true
    }
  }

  private let store: any AuditStore
  private let clock: any SteadyClock
  private let readiness: Readiness
  private let log: Log
  private let state = Mutex(State())

  init(store: any AuditStore, clock: any SteadyClock, readiness: Readiness, log: Log) {
    self.store = store
    self.clock = clock
    self.readiness = readiness
    self.log = log
  }

  var now: Instant { clock.now }

  /// Keeps it before it returns; in mind only, where the disk takes nothing.
  func note(_ record: AuditRecord) async {
    do { try await store.keep([record]) } catch { remember(record) }
  }

  /// Keeps it in mind until the next turn: for who cannot wait, and for what anybody can cause.
  func remember(_ record: AuditRecord) {
    let isKept = state.withLock { state in
      if state.take(record) { return true }
      guard record.kind == .signInFailed else { return false }
      // Wrong tokens from more addresses than are told apart.
      var other = record
      other.details = nil
      return state.take(other, isOneMore: true)
    }
    guard !isKept else { return }
    log.error(
      "the audit misses a change: too many wait for the disk",
      ["type": record.type, "actor": record.actor.text, "target": record.target])
  }

  /// Writes what is in mind; now and then forgets what is older than `keep`.
  func turn(_ number: Int, keep: TimeSpan) async {
    await write()
    guard number % Self.turnsPerForgetting == 0 else { return }
    // Whoever sets the clock ahead must not empty it.
    let now = min(clock.now, clock.steady)
    try? await store.forgetAudit(before: now - keep)
  }

  /// Writes what is in mind.
  func write() async {
    let records = state.withLock { state in
      defer { (state.waiting, state.order) = ([:], []) }
      return state.order.compactMap { state.waiting[$0] }
    }
    guard !records.isEmpty else { return }
    do {
      try await store.keep(records)
      readiness.note("audit", nil, log)
    } catch {
      for record in records { remember(record) }
      readiness.note(
        "audit",
        "what people change is in the audit once the disk takes it; until then in memory only: "
          + "\(error)", log)
    }
  }
}

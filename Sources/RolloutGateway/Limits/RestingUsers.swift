import PlatformKit

/// What the users of one app have used up of a limit. Whoever has rested for a whole period is as
/// new and need not be remembered: so the users are kept in two halves, and the older is dropped
/// when the younger has lasted a period, or is full.
struct RestingUsers: Sendable {
  /// Users in one half.
  static let halfMax = 100_000

  private var younger: [Int: CellRate] = [:]
  private var older: [Int: CellRate] = [:]
  /// When the younger half began.
  private var since: MonotonicInstant

  init(since now: MonotonicInstant) { since = now }

  /// Users that are remembered.
  var count: Int { younger.count + older.count }

  /// By the user's hash; nil for one who is as new.
  subscript(key: Int) -> CellRate? {
    get { younger[key] ?? older[key] }
    set { younger[key] = newValue }
  }

  /// To be called before each use; `period` is in milliseconds.
  mutating func forgetRested(period: Int, now: MonotonicInstant) {
    let lasted = now.milliseconds(since: since)
    guard lasted >= period || younger.count >= Self.halfMax else { return }
    // Twice a period: nobody in either half is not whole again.
    older = lasted >= 2 * period ? [:] : younger
    younger = [:]
    since = now
  }
}

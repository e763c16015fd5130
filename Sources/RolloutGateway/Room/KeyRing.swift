import HTTPKit
import PlatformKit
import RolloutCore

/// A provider's keys: with which one the next call goes out, and which of them rest.
///
/// A provider that needs no key has one without a name. A value without a clock.
struct KeyRing: Sendable {
  /// Who takes the next call.
  enum Choice: Sendable, Equatable {
    case key(Int)
    /// All are used up; this one is back first.
    case shut(ProviderQuota.Shut)
    /// The provider will have none of them.
    case refused(ProviderFailure)
  }

  /// A key that the provider does not take, until it is tried again.
  private struct Rest: Sendable {
    var cause: ProviderFailure
    var length: Int
    var until: MonotonicInstant
    var isProbing = false
  }

  private struct Key: Sendable {
    let name: String
    /// Tells whether a key of this name is the same one.
    let secret: String
    var quota: ProviderQuota
    var inFlight = 0
    var requests = 0
    var rest: Rest?
  }

  /// Milliseconds that a refused key rests the first time, and at most; doubled in between.
  private static let restMin = 10_000
  private static let restMax = 300_000
  /// An account does not fill by being asked.
  private static let poorRest = 60_000

  private var keys: [Key]
  /// Where the search begins, so that keys take turns.
  private var next = 0

  /// `quota` is each key's own. A key that `previous` had too goes on as it was: resting, or having
  /// used up what its limits allow, as long as those are the same.
  init(
    _ named: [GatewayConfiguration.ProviderKey], quota: ProviderQuota,
    after previous: KeyRing? = nil
  ) {
    let named = named.isEmpty ? [.init(name: "", secret: "")] : named
    keys = named.map { key in
      var new = Key(name: key.name, secret: key.secret, quota: quota)
      let known = previous?.keys.first { $0.name == key.name && $0.secret == key.secret }
      guard let known else { return new }
      new.requests = known.requests
      new.rest = known.rest
      new.rest?.isProbing = false
      if known.quota.hasLimits(of: quota) { new.quota = known.quota }
      return new
    }
  }

  /// The key with the fewest calls under way of those that may take one of about so many tokens.
  func choose(_ tokens: Int, now: MonotonicInstant, avoiding: Int? = nil) -> Choice {
    var best = -1
    var fewest = Int.max
    var shut: ProviderQuota.Shut?
    var refusal = ProviderFailure.credentialRefused
    for offset in keys.indices {
      let index = (next + offset) % keys.count
      guard index != avoiding else { continue }
      if let rest = keys[index].rest, rest.isProbing || now < rest.until {
        refusal = rest.cause
      } else if let closed = keys[index].quota.shut(tokens, now: now) {
        if closed.wait < shut?.wait ?? Int.max { shut = closed }
      } else if keys[index].inFlight < fewest {
        best = index
        fewest = keys[index].inFlight
      }
    }
    if best >= 0 { return .key(best) }
    return shut.map(Choice.shut) ?? .refused(refusal)
  }

  /// A call goes out; true when it shows whether a refused key is taken again.
  mutating func take(_ index: Int, _ tokens: Int, now: MonotonicInstant) -> Bool {
    keys[index].inFlight += 1
    keys[index].requests += 1
    keys[index].quota.take(tokens, now: now)
    next = (index + 1) % keys.count
    guard keys[index].rest != nil else { return false }
    keys[index].rest?.isProbing = true
    return true
  }

  /// It is over; `used` corrects what was guessed for it.
  mutating func leave(_ index: Int, guessed: Int, used: Int?, isProbe: Bool, now: MonotonicInstant)
  {
    keys[index].inFlight -= 1
    if isProbe { keys[index].rest?.isProbing = false }
    if let used { keys[index].quota.correct(guessed, to: used, now: now) }
  }

  /// What came of a call; nil is an answer.
  mutating func note(
    _ index: Int, _ failure: ProviderFailure?, isProbe: Bool, now: MonotonicInstant
  ) {
    // A call from before the refusal says nothing new.
    guard keys[index].rest == nil || isProbe else { return }
    switch failure {
    case nil: keys[index].rest = nil
    case .credentialRefused?:
      let length = keys[index].rest.map { min(Self.restMax, $0.length * 2) } ?? Self.restMin
      keys[index].rest = Rest(
        cause: .credentialRefused, length: length, until: now.after(milliseconds: length))
    case .outOfMoney?:
      keys[index].rest = Rest(
        cause: .outOfMoney, length: Self.poorRest, until: now.after(milliseconds: Self.poorRest))
    default: break
    }
  }

  mutating func throttle(_ index: Int, milliseconds: Int, now: MonotonicInstant) {
    keys[index].quota.throttle(milliseconds: milliseconds, now: now)
  }

  mutating func learn(_ index: Int, _ head: HTTPAnswerHead, now: MonotonicInstant, wall: Int64) {
    keys[index].quota.learn(head, now: now, wall: wall)
  }

  // MARK: For people

  /// The named ones.
  func statuses(now: MonotonicInstant) -> [KeyStatus] {
    keys.filter { !$0.name.isEmpty }.map { key in
      let state: KeyStatus.State =
        switch key.rest?.cause {
        case .outOfMoney?: .outOfMoney
        case _?: .refused
        case nil: key.quota.shut(0, now: now) == nil ? .ok : .limited
        }
      return KeyStatus(
        name: key.name, state: state, inFlight: key.inFlight, requests: key.requests)
    }
  }

  /// What a minute allows with all keys that are taken; nil where one has not told yet.
  var perMinute: (requests: Double?, tokens: Double?) {
    let taken = keys.filter { $0.rest == nil }
    func sum(_ each: [Double?]) -> Double? {
      let known = each.compactMap { $0 }
      return known.isEmpty || known.count < each.count ? nil : known.reduce(0, +)
    }
    let each = (taken.isEmpty ? keys : taken).map(\.quota.perMinute)
    return (sum(each.map(\.requests)), sum(each.map(\.tokens)))
  }
}

/// How one key of a provider stands.
package struct KeyStatus: Sendable, Equatable {
  package enum State: String, Sendable, CaseIterable {
    case ok
    /// Used up for the moment.
    case limited
    /// The provider does not know it, or not any more.
    case refused
    case outOfMoney = "out_of_money"
  }

  /// The environment variable that holds it.
  package var name: String
  package var state: State
  package var inFlight: Int
  package var requests: Int
}

import PlatformKit
import RolloutCore
import Synchronization

/// Before a feature is blamed for failing AI calls, its provider is asked a neutral question: when
/// that fails too, it is the provider's outage.
///
/// Up to three questions, one after the other, until two went the same way; a single answer says
/// too little about a provider that flaps. Asked in the background, so that nobody waits for it.
final class Probe: Sendable {
  enum Answer: Sendable {
    case answered
    case failed
    /// No room, or no right to ask.
    case notAsked
  }

  /// Milliseconds after which what is known by then decides.
  private static let patience = 10_000
  /// An answer that says "it is well" is believed so long; an outage for longer, as a hold ends by
  /// traffic too.
  private static let wellFor = TimeSpan.seconds(10)
  private static let silentFor = TimeSpan.seconds(60)
  private static let questionsMax = 3

  private enum State {
    /// Under way; what was known before goes on being said meanwhile.
    case asking(before: ProviderCondition?)
    case told(ProviderCondition, at: Instant)
  }

  private let states = Mutex<[ProviderModel: State]>([:])
  private let clock: any ServerClock
  private let log: Log
  private let ask: @Sendable (ProviderModel) async -> Answer
  private let mayAsk: @Sendable (ProviderModel) -> Bool

  init(
    clock: any ServerClock, log: Log, mayAsk: @escaping @Sendable (ProviderModel) -> Bool,
    ask: @escaping @Sendable (ProviderModel) async -> Answer
  ) {
    self.clock = clock
    self.log = log
    self.mayAsk = mayAsk
    self.ask = ask
  }

  /// What is known of the target; begins to ask when that is nothing, or too old, and requests have
  /// failed since. Of a plan that is held for an outage and last failed at `failedAt`, an answer
  /// since then says that it may be over, and blames nobody: only failures that go on do.
  func condition(
    _ target: ProviderModel, failedAt: Instant?, isHeld: Bool
  ) -> ProviderCondition {
    guard mayAsk(target) else { return .none }
    let now = clock.steady
    let (known, asks) = states.withLock { states -> (ProviderCondition, Bool) in
      switch states[target] {
      case .asking(let before): return (before ?? .asking, false)
      case .told(let condition, let at) where now.since(at) < Self.lifetime(condition):
        let isOver = isHeld && condition == .answers && failedAt.map { $0 <= at } ?? false
        return (isOver ? .asking : condition, false)
      case .told(let condition, let at) where !isHeld && failedAt.map { $0 <= at } ?? true:
        // Nothing new to judge, nothing to ask.
        return (condition, false)
      case .told(.silent, _):
        // Until it is known to be well again it is not.
        states[target] = .asking(before: .silent(target))
        return (.silent(target), true)
      case .told, nil:
        states[target] = .asking(before: nil)
        return (.asking, true)
      }
    }
    if asks { Task { await question(target) } }
    return known
  }

  private static func lifetime(_ condition: ProviderCondition) -> TimeSpan {
    if case .silent = condition { silentFor } else { wellFor }
  }

  private func question(_ target: ProviderModel) async {
    let end = clock.monotonic.after(milliseconds: Self.patience)
    var (good, bad) = (0, 0)
    for _ in 0..<Self.questionsMax where good < 2 && bad < 2 {
      let left = end.milliseconds(since: clock.monotonic)
      guard left > 0 else { break }
      switch await answer(target, within: left) {
      case .answered: good += 1
      case .failed: bad += 1
      case .notAsked: break
      }
    }
    let condition: ProviderCondition =
      bad > good ? .silent(target) : good > bad ? .answers : .none
    log.notice(
      "asked a provider a neutral question",
      ["target": "\(target)", "answered": "\(good)", "failed": "\(bad)"])
    let now = clock.steady
    states.withLock { $0[target] = .told(condition, at: now) }
  }

  private func answer(_ target: ProviderModel, within milliseconds: Int) async -> Answer {
    await withTaskGroup(of: Answer?.self) { group in
      group.addTask { [ask] in await ask(target) }
      group.addTask { [clock] in
        try? await clock.sleep(milliseconds: milliseconds)
        return nil
      }
      defer { group.cancelAll() }
      let first = await group.next() ?? nil
      return first ?? .failed
    }
  }
}

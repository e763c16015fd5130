import DocumentKit
import Glibc
import PlatformKit
import RolloutAPI
import RolloutCore

/// What a watch is for, and when it ends.
struct WatchWish: Sendable {
  /// What is waited for.
  enum Until: Sendable {
    case stage(String)
    case held
    case done

    /// Refuses a stage that the plan does not have.
    func check(_ plan: PlanView) throws {
      guard case .stage(let name) = self, !plan.stages.contains(where: { $0.name == name }) else {
        return
      }
      let names = plan.stages.map { clean($0.name) }.joined(separator: ", ")
      throw CLIFailure(.usage, "\(plan.feature) has no stage \(name); there are: \(names).")
    }

    /// Whether it is so; throws where it will not be without a person.
    func isReached(by plan: PlanView) throws -> Bool {
      let serves = ["active", "paused", "completed"].contains(plan.status)
      switch self {
      case .held: return plan.hold.value != nil
      case .done where plan.status == "completed": return true
      case .stage(let name):
        let index = plan.stages.firstIndex { $0.name == name } ?? .max
        if serves, plan.stageIndex >= index { return true }
      case .done: break
      }
      if ["killed", "archived"].contains(plan.status) {
        throw CLIFailure(.conflict, "\(plan.feature) is \(plan.status).")
      }
      if let hold = plan.hold.value, Words.isToBeAcknowledged(hold) {
        throw CLIFailure(
          .conflict,
          "\(plan.feature) is held \(Words.hold(hold.cause)), at \(clean(plan.stage)): "
            + "\(Words.reason(hold.reason))")
      }
      return false
    }
  }

  var until: Until?
  /// When it ends.
  var deadline = MonotonicInstant.never
  var range = WatchPage.Range.sixHours

  init(_ arguments: Arguments) throws {
    if let text = arguments.value("--until") {
      until = try Self.until(text)
      guard !arguments.operands.isEmpty else {
        throw CLIFailure(.usage, "--until needs a FEATURE.")
      }
    }
    if let text = arguments.value("--timeout") {
      guard let span = TimeSpan(text), span > .zero else {
        throw CLIFailure(.usage, "--timeout is a duration such as 30s, 10m or 2h, not \(text).")
      }
      deadline = MachineClock.now.after(milliseconds: Int(clamping: span.milliseconds))
    }
    if let text = arguments.value("--range") {
      let ranges = ["1h": WatchPage.Range.hour, "6h": .sixHours, "1d": .day, "1w": .week]
      guard let range = ranges[text] else {
        throw CLIFailure(.usage, "--range is 1h, 6h, 1d or 1w, not \(text).")
      }
      self.range = range
    }
  }

  private static func until(_ text: String) throws -> Until {
    if text == "held" { return .held }
    if text == "done" { return .done }
    guard text.hasPrefix("stage="), text.count > 6 else {
      throw CLIFailure(.usage, "--until is stage=STAGE, held or done, not \(text).")
    }
    return .stage(String(text.dropFirst(6)))
  }

  /// Throws when the time is up: for what was waited for, as a failure.
  func checkTime(_ plan: PlanView?) throws -> Bool {
    guard MachineClock.now >= deadline else { return false }
    guard until != nil else { return true }
    let place = plan.map { " \($0.feature) is \(Words.state($0)), at \(clean($0.stage))." } ?? ""
    throw CLIFailure(.conflict, "The time is up.\(place)")
  }
}

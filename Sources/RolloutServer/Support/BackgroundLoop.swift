import PlatformKit
import RolloutCore

/// Something that goes on by itself until the server ends. Whoever cancels it waits until it has
/// ended, so that files close behind everybody who uses them.
struct BackgroundLoop: Sendable {
  private let task: Task<Void, Never>

  /// Begins what runs until its task is cancelled, and ends soon after that.
  init(_ run: @escaping @Sendable () async -> Void) { task = Task { await run() } }

  /// Begins to take turns, of which the first is number 0, with a pause after each.
  init(
    every pause: TimeSpan, by clock: any MonotonicClock,
    _ turn: @escaping @Sendable (_ number: Int) async -> Void
  ) {
    self.init { await Self.takeTurns(pause: { pause }, by: clock, turn) }
  }

  /// Takes turns until the task is cancelled.
  static func takeTurns(
    pause: () -> TimeSpan, by clock: any MonotonicClock, _ turn: (_ number: Int) async -> Void
  ) async {
    var number = 0
    while !Task.isCancelled {
      await turn(number)
      number += 1
      try? await clock.sleep(pause())
    }
  }

  func cancel() { task.cancel() }
  func end() async { await task.value }
}

extension MonotonicClock {
  /// As `sleep(milliseconds:)`.
  func sleep(_ span: TimeSpan) async throws {
    try await sleep(milliseconds: Int(clamping: span.milliseconds))
  }
}

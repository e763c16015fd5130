import Foundation
import RolloutCore
import RolloutTesting
import Synchronization
import Testing

@testable import RolloutGateway
@testable import RolloutServer

@Suite struct ProviderAlarmTests {
  private func report(
    _ failure: ProviderFailure?, model: String = "m"
  ) -> Gateway.AttemptReport {
    Gateway.AttemptReport(
      provider: "main", model: model, key: "MAIN_KEY", seconds: 1.5, failure: failure, usage: nil,
      isStream: false)
  }

  @Test func `of few failures each has its line, of many a minute's worth is counted`() {
    let lines = Mutex<[String]>([])
    let clock = SimulatedClock()
    let log = Log(clock: clock) { line in lines.withLock { $0.append(line) } }
    let alarm = ProviderAlarm(log: log, clock: clock)
    for _ in 0..<100 { alarm.note(report(.timeout)) }
    alarm.note(report(nil))
    alarm.note(report(.cancelled))
    alarm.note(report(.timeout, model: "other"))
    clock.advance(.minutes(1))
    alarm.note(report(.timeout))
    let all = lines.withLock { $0 }
    #expect(all.count == ProviderAlarm.linesPerMinute + 2)
    #expect(all.last?.contains(#""like_it_since":"95""#) == true)
    #expect(all.first?.contains(#""kind":"timeout""#) == true)
    #expect(all.first?.contains(#""milliseconds":"1500""#) == true)
  }

  @Test func `what a provider said of the request is in no line`() {
    let lines = Mutex<[String]>([])
    let log = Log(clock: ManualClock()) { line in lines.withLock { $0.append(line) } }
    let alarm = ProviderAlarm(log: log, clock: ManualClock())
    alarm.note(report(.callerError(status: 400, message: "your prompt 'I am anna' is bad")))
    alarm.note(report(.malformed("I am anna")))
    #expect(lines.withLock { $0 }.count == 2)
    #expect(lines.withLock { $0 }.allSatisfy { !$0.contains("anna") })
  }
}

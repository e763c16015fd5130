import HTTPKit
import RolloutGateway
import Synchronization

/// Says in the log what only a person can mend: an account without money, a key that is refused.
/// Once an hour for each provider and key, however many calls meet with it.
final class ProviderAlarm: Sendable {
  private static let silence = 3_600_000

  private let log: Log
  /// When each was told last, in milliseconds of the monotonic clock.
  private let told = Mutex<[String: Int]>([:])

  init(log: Log) { self.log = log }

  func note(_ report: Gateway.AttemptReport) {
    let advice: String
    switch report.failure {
    case .outOfMoney: advice = "its account has no money left; pay the bill or raise its limit"
    case .credentialRefused: advice = "it does not know our key; renew it"
    case .permissionDenied: advice = "our key may not use that model, or not send that"
    default: return
    }
    let now = monotonicMilliseconds()
    let isNew = told.withLock { told in
      let key = "\(report.provider) \(report.key ?? "") \(advice)"
      guard now - (told[key] ?? -Self.silence) >= Self.silence else { return false }
      told[key] = now
      return true
    }
    guard isNew else { return }
    log.error(
      "a provider refuses us: \(advice)",
      ["provider": report.provider, "key": report.key ?? "none", "model": report.model])
  }
}

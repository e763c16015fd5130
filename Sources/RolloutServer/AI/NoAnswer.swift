import RolloutCore
import RolloutGateway

/// Why there is no answer at all.
enum NoAnswer: Sendable {
  case limited(RequestLimits.Refusal)
  /// A budget says no; `retryAfter` is in seconds, nil where waiting does not help.
  case overBudget(Purse.Refusal, retryAfter: Int?)
  /// The feature is decided by percentage, and nobody was named.
  case userRequired
  case notInRollout
  case noRoute
  /// A provider does not take the request, in its own words.
  case callerError(String)
  case exhausted(Gateway.Exhausted)
  /// Nobody waits for it any more.
  case givenUp
  /// Its token ended while it waited.
  case tokenEnded

  /// nil where there is nobody to tell.
  var reason: AIAnswer.Reason? {
    switch self {
    case .limited: .limit
    case .overBudget(let refusal, _): refusal.reason
    case .userRequired: .userRequired
    case .notInRollout: .notInRollout
    case .noRoute: .noRoute
    case .callerError: .callerError
    case .exhausted(let exhausted): exhausted.reason
    case .givenUp, .tokenEnded: nil
    }
  }
}

extension Purse.Refusal {
  var reason: AIAnswer.Reason {
    switch self {
    case .spent, .unavailable: .budget
    case .unknownPrice: .unknownPrice
    case .ambiguous, .open: .callerError
    }
  }
}

extension Gateway.Exhausted {
  var reason: AIAnswer.Reason {
    switch last {
    case .breakerOpen: .breakerOpen
    case .limited: .limit
    default: .allTargetsFailed
    }
  }

  /// Whole seconds after which a target may have room; nil where it is not room that is missing.
  var retryAfter: Int? {
    switch last {
    case .throttled(let seconds): Self.whole(seconds ?? 1)
    case .limited(_, let seconds): Self.whole(seconds)
    default: nil
    }
  }

  private static func whole(_ seconds: Double) -> Int {
    max(1, Int(min(seconds, 86_400).rounded(.up)))
  }

  /// Whose failure it was, for attribution.
  var origin: FailureOrigin? {
    target.map {
      FailureOrigin(
        $0, kind: last.word, isThrottled: last.isThrottle,
        isRefused: last == .credentialRefused,
        keptAwayFor: keptAwayFor.map { TimeSpan(milliseconds: Int64($0)) })
    }
  }
}

import DocumentKit
import HTTPKit
import RolloutCore

/// Why an attempt failed; decides whether to wait, to move on, or to give up.
package enum ProviderFailure: Error, Sendable, Equatable {
  case unreachable(String)
  case timeout
  /// 429: `retryAfter` in seconds where the provider says.
  case throttled(retryAfter: Double?)
  /// The account has no money; waiting does not help.
  case outOfMoney
  case overloaded
  /// Our key is not known there, or not any more. Never passed on as the caller's.
  case credentialRefused
  /// Our key may not do this: use that model, or send that. Another may; it stays in use, because
  /// one request must not take it from all others.
  case permissionDenied
  /// 5xx and the like.
  case serverError(status: Int)
  /// The provider does not have the route's model: nobody asked for another.
  case modelNotFound
  /// The caller's request was refused; the provider's own words.
  case callerError(status: Int, message: String)
  /// What came was not an answer.
  case malformed(String)
  /// A stream that broke off after content had been sent.
  case interrupted(String)
  case cancelled
  /// Not asked: it has failed too often lately.
  case breakerOpen
  /// Not asked: it had no room, and the wait was too long; `retryAfter` in seconds.
  case limited(ProviderLimit, retryAfter: Double)

  /// Whether the same target may be tried once more.
  var isTransient: Bool {
    switch self {
    case .unreachable, .overloaded, .serverError, .throttled: true
    default: false
    }
  }

  /// Whether another key of the same provider may do better.
  var concernsKey: Bool {
    switch self {
    case .throttled, .outOfMoney, .credentialRefused, .permissionDenied: true
    default: false
    }
  }

  /// Whether another target may do better.
  var allowsFallback: Bool {
    switch self {
    case .callerError(_, let message):
      // A prompt too long for one model may fit the next one.
      message.contains("context length") || message.contains("context_length")
    case .cancelled, .interrupted: false
    default: true
    }
  }

  /// What the provider answered with; nil where it answered nothing, or where nobody asked.
  package var status: Int? {
    switch self {
    case .throttled: 429
    case .outOfMoney: 402
    case .overloaded: 529
    case .credentialRefused: 401
    case .permissionDenied: 403
    case .modelNotFound: 404
    case .serverError(let status), .callerError(let status, _): status
    case .unreachable, .timeout, .malformed, .interrupted, .cancelled, .breakerOpen, .limited: nil
    }
  }

  /// One word for headers and metrics.
  package var word: String {
    switch self {
    case .unreachable: "unreachable"
    case .timeout: "timeout"
    case .throttled: "throttled"
    case .outOfMoney: "out_of_money"
    case .overloaded: "overloaded"
    case .credentialRefused: "credential_refused"
    case .permissionDenied: "permission_denied"
    case .serverError: "server_error"
    case .modelNotFound: "model_not_found"
    case .callerError: "caller_error"
    case .malformed: "malformed"
    case .interrupted: "interrupted"
    case .cancelled: "client_cancelled"
    case .breakerOpen: "breaker_open"
    case .limited(let limit, _): limit.rawValue
    }
  }

  /// Whether the provider may have worked on the request before it failed. A refusal costs nothing.
  var mayHaveCost: Bool {
    switch self {
    case .timeout, .malformed, .interrupted, .cancelled: true
    default: false
    }
  }

  /// Whether a limit of our account said no, or one of our own.
  package var isThrottle: Bool {
    switch self {
    case .throttled, .outOfMoney, .limited: true
    default: false
    }
  }

  /// Whether it tells something about the provider's health. A throttle has limits of its own, a
  /// refused key is ours to mend.
  var isProviderFault: Bool {
    switch self {
    case .unreachable, .timeout, .overloaded, .serverError, .malformed, .interrupted: true
    case .throttled, .outOfMoney, .credentialRefused, .permissionDenied, .modelNotFound,
      .callerError, .cancelled, .breakerOpen, .limited:
      false
    }
  }
}

extension ProviderFailure {
  static func unusable(_ error: DocumentError) -> ProviderFailure {
    .callerError(status: 400, message: "The body is not usable JSON: \(error)")
  }
}

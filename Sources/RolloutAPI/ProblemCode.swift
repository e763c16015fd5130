/// What went wrong, in one word that programs may rely on.
package enum ProblemCode: String, Codable, Sendable, CaseIterable {
  case badRequest = "bad_request"
  case invalidPlan = "invalid_plan"
  case userRequired = "user_required"
  case unauthorized
  case forbidden
  case approvalNeededFromAnother = "approval_needed_from_another"
  case notFound = "not_found"
  case methodNotAllowed = "method_not_allowed"
  case staleVersion = "stale_version"
  case gateClosed = "gate_closed"
  case held
  case unexpectedStage = "unexpected_stage"
  case idempotencyKeyReused = "idempotency_key_reused"
  case alreadyExists = "already_exists"
  case inUse = "in_use"
  case lastAdmin = "last_admin"
  case bodyTooLarge = "body_too_large"
  case unsupportedMediaType = "unsupported_media_type"
  case invalidTransition = "invalid_transition"
  case reasonRequired = "reason_required"
  case versionRequired = "version_required"
  case tooMany = "too_many"
  case budgetExceeded = "budget_exceeded"
  case rateLimited = "rate_limited"
  case unavailable
  case `internal` = "internal"

  /// The HTTP status it is answered with.
  package var status: Int {
    switch self {
    case .badRequest, .invalidPlan, .userRequired: 400
    case .unauthorized: 401
    case .forbidden, .approvalNeededFromAnother: 403
    case .notFound: 404
    case .methodNotAllowed: 405
    case .staleVersion, .gateClosed, .held, .unexpectedStage, .alreadyExists, .lastAdmin,
      .inUse:
      409
    case .bodyTooLarge, .tooMany: 413
    case .unsupportedMediaType: 415
    case .invalidTransition, .reasonRequired, .idempotencyKeyReused: 422
    case .versionRequired: 428
    case .budgetExceeded, .rateLimited: 429
    case .internal: 500
    case .unavailable: 503
    }
  }

  package var title: String {
    switch self {
    case .staleVersion: "The plan has changed"
    case .gateClosed: "A gate is closed"
    case .held: "The plan is held"
    case .invalidPlan: "The plan cannot be read"
    default: rawValue.split(separator: "_").joined(separator: " ").capitalizedFirst
    }
  }
}

extension String {
  fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}

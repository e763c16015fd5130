import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutGateway

extension NoAnswer {
  /// What it is called and which status it has for a caller of this dialect.
  func problem(of feature: String, for dialect: ChatDialect) -> Problem {
    switch self {
    case .limited(let refusal):
      Problem(
        .rateLimited,
        "The limit \(refusal.name) of \(refusal.text) is reached; wait \(refusal.seconds) s.")
    case .overBudget(let refusal, _): Problem(refusal)
    case .userRequired:
      Problem(
        .userRequired,
        "\(feature) is decided by percentage: send the user's id as X-Rollout-User or user.")
    case .notInRollout:
      Problem(.forbidden, "This user does not have \(feature), and its plan has no fallback.")
    case .noRoute:
      Problem(
        .invalidTransition,
        "\(feature) has no usable AI route; name one of the server's routes in its plan.")
    case .callerError(let message): Problem(.badRequest, message)
    case .exhausted(let exhausted): Problem(exhausted, for: dialect)
    case .tokenEnded: .tokenEnded
    case .givenUp: Problem(502, "failed", "The request failed; try again.")
    }
  }
}

extension Problem {
  /// One that has no place among our own: a provider's word for it, and HTTP's title.
  fileprivate init(_ status: Int, _ code: String, _ detail: String) {
    self.init(.unavailable, detail)
    self.status = status
    self.code = code
    title = reasonPhrase(status)
  }

  fileprivate init(_ refusal: Purse.Refusal) {
    switch refusal {
    case .spent(let budget, let bound, let until):
      self.init(
        .budgetExceeded,
        "The budget \(budget) has no room for this request, which may cost up to \(bound.text): "
          + "ask for fewer tokens, raise the budget"
          + (until.map { ", or wait for its next window at \($0.rfc3339)." } ?? "."))
    case .unknownPrice(let model):
      self.init(
        .budgetExceeded, "\(model) has no price, so its cost cannot be held to a budget; add one.")
    case .ambiguous:
      self.init(
        .badRequest,
        "A key stands twice within messages or system, so that nobody can say what it costs; "
          + "keep one.")
    case .open(let member):
      self.init(
        .badRequest,
        "\(member) may have this answered at a price that is not the model's, so its cost cannot be "
          + "held to a hard budget; leave it out.")
    case .unavailable: self.init(.unavailable, "The budgets cannot be asked; try again.")
    }
  }

  /// No target answered and the plan has no fallback. A provider's own 401 or 402 is never passed
  /// on: it is our configuration that failed, not the caller.
  fileprivate init(_ exhausted: Gateway.Exhausted, for dialect: ChatDialect) {
    let status =
      switch exhausted.last {
      case .throttled: 429
      case .limited(let limit, _): limit == .queue ? 503 : 429
      case _ where exhausted.deadlinePassed, .timeout: 504
      case .overloaded where dialect == .anthropic: 529
      default: 502
      }
    let word = exhausted.last.word
    let message =
      exhausted.retryAfter.map { "No provider has room (\(word)); try again in \($0) s." }
      ?? "No provider answered (\(word)); try again."
    self.init(status, word, message)
  }
}

import DocumentKit
import RolloutAPI
import RolloutCore

extension Problem {
  /// The one place where errors become what a client reads. Whatever is not listed is our bug, and
  /// says so without details.
  init(_ error: any Error) {
    switch error {
    case let problem as Problem: self = problem
    case let refusal as Refusal: self.init(refusal)
    case let error as DocumentError: self.init(.invalidPlan, "\(error)")
    case let stale as PlanController.Stale:
      self.init(
        .staleVersion,
        "\(stale.status.plan.feature) is at version \(stale.status.plan.version) now; look at what "
          + "changed and send If-Match: \"\(stale.status.plan.version)\" if you still want this.")
      plan = PlanView(stale.status, for: stale.actor)
    case let failure as PlanController.OfPlan:
      self.init(failure.cause)
      detail = "\(failure.feature): \(detail) Nothing was changed."
    case let unknown as PlanController.UnknownFeature:
      self.init(
        .notFound, "There is no feature \(quoted(unknown.feature)); apply a plan for it first.")
    case StoreError.alreadyExists(let what): self.init(.alreadyExists, "\(what) already exists.")
    case StoreError.unreadable(let what):
      self.init(
        .invalidPlan,
        "The plan was not taken, for \(what). Nothing was changed; write that part in another way, "
          + "and please report this.")
    case StoreError.notFound(let what): self.init(.notFound, "\(what) does not exist.")
    case StoreError.uncertain(let why):
      self.init(
        .unavailable,
        "\(why). Whether this change is on disk is not known; it is not in force, and is taken out "
          + "again as soon as the disk is well. Look before you try again.")
    case let error as StoreError:
      self.init(.unavailable, "\(error). Nothing was changed; try again.")
    default: self.init(.internal, "The server failed; please report this with the time of day.")
    }
  }

  private init(_ refusal: Refusal) {
    switch refusal {
    case .invalidTransition(let text): self.init(.invalidTransition, text)
    case .reasonRequired(let text): self.init(.reasonRequired, text)
    case .inUse(let text): self.init(.inUse, text)
    case .approvalNeededFromAnother(let text): self.init(.approvalNeededFromAnother, text)
    case .unexpectedStage(let next):
      self.init(.unexpectedStage, "The next stage is \(next); plans advance one stage at a time.")
    case .gateClosed(let waiting):
      self.init(.gateClosed, "Waiting on: \(waiting.joined(separator: "; ")).")
      waitingOn = waiting
    case .reasonAwaited(let waiting):
      self.init(.gateClosed, "Not open yet; give a reason to go on all the same.")
      waitingOn = waiting
    case .held(let hold, let waiting):
      self.init(.held, "The plan is held \(hold.cause.words): \(Self.end(of: hold)).")
      waitingOn = waiting
      self.hold = HoldView(hold)
    }
  }

  /// What ends a hold, in one sentence; `waiting_on` says more.
  private static func end(of hold: Plan.Hold) -> String {
    guard hold.needsAcknowledgement else {
      return "it ends with its cause; what it waits for says whether a person may pass it"
    }
    return hold.acknowledged == nil
      ? "acknowledge it once it is safe to go on"
      : "it is acknowledged, and released when its cooldown ends"
  }
}

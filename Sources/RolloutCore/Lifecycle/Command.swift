import DocumentKit

/// A wish to change a plan.
package enum Command: Sendable, Equatable {
  /// `digest` names the file, for those who approved it.
  case apply(PlanDefinition, digest: String = "")
  case start
  /// `to` states which stage is expected to be next.
  case advance(to: String?)
  /// `to` is an earlier stage or `off`; nil is the one before.
  case rollback(to: String?)
  /// Back to the stage before the incident, in one step.
  case restore
  case pause
  case resume
  case acknowledge
  case approve
  /// Approves entering the stage of this name: the next one, or the one before the incident.
  case approveStage(String)
  /// Approves applying the file of this digest.
  case approveFile(digest: String)
  case kill
  case complete
  case archive
  case unarchive
  case hold(Plan.Hold.Cause)
  case release

  /// The word of the API path and the CLI; nil for what only the controller does.
  package static func named(_ name: String, to stage: String?) -> Command? {
    switch name {
    case "start": .start
    case "advance": .advance(to: stage)
    case "rollback": .rollback(to: stage)
    case "restore": .restore
    case "pause": .pause
    case "resume": .resume
    case "acknowledge": .acknowledge
    case "approve": stage.map(Command.approveStage) ?? .approve
    case "kill": .kill
    case "complete": .complete
    case "archive": .archive
    case "unarchive": .unarchive
    default: nil
    }
  }

  /// Every word `named` knows.
  package static let names = [
    "start", "advance", "rollback", "restore", "pause", "resume", "acknowledge", "approve", "kill",
    "complete", "archive", "unarchive",
  ]
}

/// Why a command was not carried out. Each says what to do next.
package enum Refusal: Error, Sendable, Equatable {
  case invalidTransition(String)
  case gateClosed(waitingOn: [String])
  /// Gates that this person passes by saying why.
  case reasonAwaited(waitingOn: [String])
  case held(Plan.Hold, waitingOn: [String])
  case approvalNeededFromAnother(String)
  case unexpectedStage(next: String)
  case reasonRequired(String)
  case inUse(String)
}

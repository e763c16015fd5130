import DocumentKit

/// What scripts may rely on.
enum ExitCode: Int32, CaseIterable {
  case ok = 0
  case failed = 1
  case usage = 2
  case unreachable = 3
  case conflict = 4
  case notAllowed = 5
  case differs = 6

  /// The `code` of a problem that is not the server's.
  fileprivate var name: String {
    switch self {
    case .ok: "ok"
    case .failed: "failed"
    case .usage: "usage"
    case .unreachable: "unreachable"
    case .conflict: "conflict"
    case .notAllowed: "not_allowed"
    case .differs: "differs"
    }
  }

  var meaning: String {
    switch self {
    case .ok: "It was done."
    case .failed: "It failed."
    case .usage: "The command line is wrong."
    case .unreachable: "The server does not answer."
    case .conflict: "The plan says no: a gate, a hold, somebody was faster."
    case .notAllowed: "The token may not, or another person has to approve."
    case .differs: "There are differences (with --exit-code)."
    }
  }
}

/// A failure with its exit code; the message goes to standard error.
struct CLIFailure: Error {
  var exitCode: ExitCode
  var message: OwnWords
  /// What the server said, where it was the server's refusal.
  private let problem: Document?
  private(set) var isTold = false

  init(_ exitCode: ExitCode, _ message: OwnWords, problem: Document? = nil) {
    self.exitCode = exitCode
    self.message = message
    self.problem = problem
  }

  /// One whose document, for programs, is on standard output already.
  init(toldAlready exitCode: ExitCode, _ message: OwnWords) {
    self.init(exitCode, message)
    isTold = true
  }

  /// For programs: the server's problem, or one of our own in its form.
  var document: Document {
    if let problem, problem["detail"] != nil { return problem }
    return .object([
      "type": .string("about:blank"), "title": .string(exitCode.meaning),
      "code": .string(exitCode.name), "detail": .string(message.text),
    ])
  }
}

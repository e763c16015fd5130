import DocumentKit

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

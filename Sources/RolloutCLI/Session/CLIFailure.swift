/// What scripts may rely on.
enum ExitCode: Int32 {
  case ok = 0
  case failed = 1
  case usage = 2
  case unreachable = 3
  case conflict = 4
  case notAllowed = 5
}

/// A failure with its exit code; the message goes to standard error.
struct CLIFailure: Error {
  var exitCode: ExitCode
  var message: String

  init(_ exitCode: ExitCode, _ message: String) {
    self.exitCode = exitCode
    self.message = message
  }
}

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
  var name: String {
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

/// An RFC 9457 problem: the body of every error outside the foreign dialects.
package struct Problem: Error, Codable, Sendable, Equatable {
  package var type = "about:blank"
  package var title: String
  package var status: Int
  package var code: String
  /// What to do next.
  package var detail: String
  /// The plan as it is now, with `stale_version`.
  package var plan: PlanView?
  /// Open gates, with `gate_closed` and `held`.
  package var waitingOn: [String]?
  package var hold: HoldView?

  package init(_ code: ProblemCode, _ detail: String) {
    title = code.title
    status = code.status
    self.code = code.rawValue
    self.detail = detail
  }
}

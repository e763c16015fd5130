import RolloutAPI

/// What is in force and on no disk yet, for people.
enum Undurable {
  static let consequence =
    "the server cannot write it now (see /readyz). It will as soon as that works; a restart before "
    + "that brings the older state back"

  /// A line of its own below what was done; empty when it is on disk.
  static func note(_ plan: PlanView) -> String {
    plan.durable == false ? "\nNot on disk yet: \(consequence)." : ""
  }
}

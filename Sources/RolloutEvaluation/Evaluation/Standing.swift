/// How far a rollout has come.
package enum Standing: Sendable, Equatable {
  /// It serves the stages up to the one of this index. Once it is complete nobody is held out.
  case serving(upTo: Int, isComplete: Bool)
  /// Nobody has it: why, for people.
  case off(why: String)
}

/// What this program is.
enum Program {
  static let version = "rollout 1.0.0"
}

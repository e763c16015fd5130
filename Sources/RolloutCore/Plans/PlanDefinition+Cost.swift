package import DocumentKit
import RolloutEvaluation

extension PlanDefinition {
  /// Bytes that the rules of one plan may look at for one user: a quarter of a millisecond.
  package static let ruleCostMax = 1 << 18

  /// See `Rule.cost`.
  package var ruleCost: Int {
    audience.ruleCost
  }

  /// Refuses rules that would take too long for each user. At the door only: what is stored is read
  /// whatever it costs.
  package func checkRuleCost() throws(DocumentError) {
    guard ruleCost <= Self.ruleCostMax else {
      throw DocumentError(
        "The rules would look at up to \(ruleCost) bytes for every user, and may at "
          + "\(Self.ruleCostMax): put lists of users into a cohort, and shorten contains "
          + "(\(Attributes.valueSizeMax) bytes for each of its texts).",
        at: .unknown, path: "stages")
    }
  }
}

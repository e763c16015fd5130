package import DocumentKit
package import RolloutCore
package import RolloutEvaluation

/// A flag of another system, read.
package struct ForeignFlag: Sendable {
  /// As it is called there.
  package var key: String
  package var description = ""
  /// Whether it is switched on there; rules are what it would do.
  package var isEnabled = true
  /// In their order; nobody whom none is about has the feature.
  package var rules: [FlagRule] = []
  /// What on and off mean, where they are not true and false.
  package var values: PlanDefinition.Values?
  /// What its draws have in common, for a flag that has none.
  package var bucketing: Bucketing
  package var salt: String
  package var remarks: [Remark] = []
  /// Why no plan can be made of it; nil where one can.
  package var refusal: String?
  package var path: String
  package var position: Position

  package init(
    _ key: String, of system: ForeignSystem, path: String, position: Position
  ) {
    self.key = key
    bucketing = system.bucketing
    salt = key
    self.path = path
    self.position = position
  }

  /// Flags of one file; more are refused.
  static let countMax = 2000
  /// What is said of one flag.
  private static let remarksMax = 50

  static func checkCount(_ count: Int, _ document: Document) throws(DocumentError) {
    guard count <= countMax else {
      throw DocumentError(
        "The file holds \(count) flags, and at most \(countMax) are taken at once; split it.",
        at: document.position)
    }
  }

  /// Notes something that the plan will not say.
  mutating func lose(
    _ effect: Remark.Effect, _ text: String, _ path: String, _ document: Document?
  ) {
    let remark = Remark(effect, text, path, document?.position ?? position)
    guard remarks.count <= Self.remarksMax, !remarks.contains(remark) else { return }
    remarks.append(
      remarks.count < Self.remarksMax
        ? remark : Remark(.people, "there is more that is not kept", self.path, position))
  }

  /// Notes what some of its people lose, and stands for what cannot be told.
  mutating func unknown(_ text: String, _ path: String, _ document: Document?) -> Condition {
    lose(.people, text, path, document)
    return .unknown
  }
}

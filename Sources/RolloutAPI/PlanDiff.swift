package import DocumentKit
import RolloutCore
import RolloutEvaluation

/// What applying a plan file would do.
package struct PlanDiff: Codable, Sendable {
  package struct Change: Codable, Sendable, Equatable {
    package var path: String
    package var from: Nullable<Document>
    package var to: Nullable<Document>

    init(path: String, from: Document?, to: Document?) {
      self.path = path
      self.from = Nullable(from)
      self.to = Nullable(to)
    }
  }

  package var changes: [Change]
  package var joinsPer100000: Int
  package var leavesPer100000: Int
  /// Who joins and who leaves at once, told by rule, cohort, list and share; nil for a new plan.
  package var audience: AudienceView?
  /// `sha256:` and the digest of the file in its canonical form: what an approval names.
  package var file: String
  /// Who approved the file.
  package var approvedBy: [String]
  /// Whether a hold keeps the file from being applied now.
  package var held: Bool

  init(
    changes: [Change], joins: Int, leaves: Int, audience: AudienceChange? = nil, file: String,
    approvedBy: [String] = [], held: Bool = false
  ) {
    self.changes = changes
    joinsPer100000 = joins
    leavesPer100000 = leaves
    self.audience = audience.map(AudienceView.init)
    self.file = file
    self.approvedBy = approvedBy
    self.held = held
  }

  enum CodingKeys: String, CodingKey {
    case changes
    case joinsPer100000 = "joins_per_100000"
    case leavesPer100000 = "leaves_per_100000"
    case audience
    case file
    case approvedBy = "approved_by"
    case held
  }
}

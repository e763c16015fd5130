import DocumentKit
import RolloutCore

/// Whether one user has a feature.
package struct DecisionView: Codable, Sendable, Equatable {
  package var feature: String
  package var user: String?
  package var enabled: Bool
  package var variant: String
  package var cohort: String
  package var stage: String
  package var bucket: Int?
  package var reason: String
  package var planVersion: Int
  package var because: String?

  package init(
    feature: String, user: String?, enabled: Bool, variant: String, cohort: String, stage: String,
    bucket: Int?, reason: String, planVersion: Int, because: String?
  ) {
    self.feature = feature
    self.user = user
    self.enabled = enabled
    self.variant = variant
    self.cohort = cohort
    self.stage = stage
    self.bucket = bucket
    self.reason = reason
    self.planVersion = planVersion
    self.because = because
  }
}

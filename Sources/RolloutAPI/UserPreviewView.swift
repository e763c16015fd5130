/// Which of some users would have the feature at a stage.
package struct UserPreviewView: Codable, Sendable {
  package struct User: Codable, Sendable {
    package var user: String
    package var bucket: Int
    /// The first stage that lets them in, or `none`.
    package var cohort: String
    /// Whether they have it now.
    package var now: Bool
    /// Whether they would have it at the stage.
    package var then: Bool
    /// Whether they have the other feature; absent where none was asked about.
    package var other: Bool?
    package var because: String

    package init(
      user: String, bucket: Int, cohort: String, now: Bool, then: Bool, other: Bool?,
      because: String
    ) {
      self.user = user
      self.bucket = bucket
      self.cohort = cohort
      self.now = now
      self.then = then
      self.other = other
      self.because = because
    }
  }

  /// Another feature, and the stage at which it is looked at.
  package struct Other: Codable, Sendable {
    package var feature: String
    package var stage: String

    package init(feature: String, stage: String) {
      self.feature = feature
      self.stage = stage
    }
  }

  package var feature: String
  package var stage: String
  package var planVersion: Int
  /// Of the plan, in their order.
  package var stages: [String]
  package var other: Other?
  /// In the order they were sent.
  package var users: [User]

  package init(
    feature: String, stage: String, planVersion: Int, stages: [String], other: Other?,
    users: [User]
  ) {
    self.feature = feature
    self.stage = stage
    self.planVersion = planVersion
    self.stages = stages
    self.other = other
    self.users = users
  }
}

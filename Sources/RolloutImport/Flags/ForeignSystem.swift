package import RolloutEvaluation

/// A system that flags can be moved from.
package enum ForeignSystem: String, Sendable, CaseIterable {
  case flagd, unleash, goff, growthbook

  package var title: String {
    switch self {
    case .flagd: "flagd"
    case .unleash: "Unleash"
    case .goff: "GO Feature Flag"
    case .growthbook: "GrowthBook"
    }
  }

  /// What it calls the id of a user, where its flags do not say otherwise.
  package var userAttribute: String {
    switch self {
    case .flagd: "targetingKey"
    case .unleash: "userId"
    case .goff: "key"
    case .growthbook: "id"
    }
  }

  /// The formula that its flags draw by, unless one says otherwise.
  package var bucketing: Bucketing {
    switch self {
    case .flagd: .flagd
    case .unleash: .unleash
    case .goff: .goff
    case .growthbook: .growthbook2
    }
  }
}

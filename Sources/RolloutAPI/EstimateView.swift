import DocumentKit
package import RolloutCore

/// About so many, and the bounds within which they are in 95 of 100 cases.
package struct EstimateView: Codable, Sendable, Equatable {
  package var about: Int
  package var low: Int
  package var high: Int

  package init(_ estimate: Estimate) {
    about = Int(saturating: estimate.value.rounded())
    low = Int(saturating: estimate.low.rounded())
    high = Int(saturating: estimate.high.rounded())
  }
}

/// How many users there are in all.
package struct PopulationView: Codable, Sendable, Equatable {
  package var about: Int
  package var low: Int
  package var high: Int
  /// Where the number is from.
  package var sentence: String

  init(_ crowd: Crowd) {
    let users = EstimateView(crowd.users)
    (about, low, high) = (users.about, users.low, users.high)
    sentence = crowd.sentence
  }
}

/// How many a stage would have.
package struct StageSizeView: Codable, Sendable, Equatable {
  package var stage: String
  /// Of all users by percentage, the holdout left out.
  package var per100000: Int
  /// Members and users on lists who have it then, looked at one by one.
  package var named: Int
  /// Both together; absent while nobody can tell how many users there are.
  package var users: EstimateView?

  enum CodingKeys: String, CodingKey {
    case stage, named, users
    case per100000 = "per_100000"
  }
}

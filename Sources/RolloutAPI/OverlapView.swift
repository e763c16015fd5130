import DocumentKit
import RolloutCore

/// How many users have a feature and another, and how many one of them.
package struct OverlapView: Codable, Sendable, Equatable {
  package struct Part: Codable, Sendable, Equatable {
    /// By percentage, of all users.
    package var per100000: Int
    package var named: Int
    package var users: EstimateView?

    enum CodingKeys: String, CodingKey {
      case named, users
      case per100000 = "per_100000"
    }
  }

  /// The other feature, and the stage at which it is looked at; `off` where nobody has it.
  package var feature: String
  package var stage: String
  /// Whether both draw by the same salt, so that the smaller lies within the larger.
  package var nested: Bool
  package var both: Part
  package var only: Part
  package var onlyOther: Part
  package var neither: Part
  package var sentence: String

  init(_ plan: Plan, _ other: Plan, _ crowd: Crowd?, _ named: NamedUsers) {
    let overlap = Overlap(plan, other)
    func part(_ share: Double, _ count: Int) -> Part {
      Part(
        per100000: Int(saturating: (share * 100_000).rounded()), named: count,
        users: crowd.map { EstimateView($0.holding(share, named: count, ofNamed: named.all)) })
    }
    feature = other.feature
    stage = other.isServing ? other.stageName : "off"
    nested = overlap.kinship == .nested
    both = part(overlap.both, named.both)
    only = part(overlap.first, named.first)
    onlyOther = part(overlap.second, named.second)
    neither = part(overlap.neither, named.all - named.both - named.first - named.second)
    guard other.isServing else {
      sentence = "nobody has \(other.feature) at present"
      return
    }
    sentence =
      switch overlap.kinship {
      case .nested:
        "both draw by the same salt: whoever has the smaller share has the larger, too"
      case .opposed: "both draw by the same salt from its two ends: few have both, or nobody"
      case .independent: "they draw by different salts: who has one says nothing of the other"
      }
  }

  enum CodingKeys: String, CodingKey {
    case feature, stage, nested, both, only, neither, sentence
    case onlyOther = "only_other"
  }
}

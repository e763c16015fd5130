package import RolloutEvaluation

/// A share of users that another system picks by hashing, as a plan picks the same ones.
package struct Draw: Sendable, Equatable {
  package var bucketing: Bucketing
  package var salt: String
  package var share: Share

  package init(_ bucketing: Bucketing, salt: String, share: Share) {
    self.bucketing = bucketing
    self.salt = salt
    self.share = share
  }

  /// What part of a range of hashes is on: the lower end, the upper end, or what no plan can say.
  enum Part: Equatable {
    case none, all
    /// So many from 0 on.
    case lower(Int)
    /// So many up to the last.
    case upper(Int)
    /// Neither end alone.
    case middle

    /// `pieces` follow one another from 0 to `total`.
    init(_ pieces: [(size: Int, isOn: Bool)], of total: Int) {
      // Neighbours that do the same are one.
      var runs: [(size: Int, isOn: Bool)] = []
      for piece in pieces where piece.size > 0 {
        if runs.last?.isOn == piece.isOn {
          runs[runs.count - 1].size += piece.size
        } else {
          runs.append(piece)
        }
      }
      let on = runs.filter(\.isOn)
      switch (on.first, on.count) {
      case (nil, _): self = .none
      case (let only?, 1) where only.size == total: self = .all
      case (let only?, 1) where runs[0].isOn: self = .lower(only.size)
      case (let only?, 1) where runs[runs.count - 1].isOn: self = .upper(only.size)
      default: self = .middle
      }
    }
  }
}

package import RolloutEvaluation

/// Who of the users that plans know by name would have a feature, and another beside it. They are
/// looked at one by one, without attributes: rules see nothing of them.
package struct NamedUsers: Sendable, Equatable {
  /// All that were looked at.
  package let all: Int
  /// By the stage that lets them in first.
  private var byStage: [Int]
  package private(set) var both = 0
  package private(set) var first = 0
  package private(set) var second = 0

  /// `evaluator` stands at the last of the first plan's stages; who is in up to `stage` has it.
  package init(
    _ users: [String], _ evaluator: Evaluator, _ other: Evaluator?, upTo stage: Int, of stages: Int
  ) {
    all = users.count
    byStage = Array(repeating: 0, count: stages)
    for user in users {
      let bytes = Array(user.utf8)
      let has = Self.stage(bytes, evaluator)
      if let has { byStage[has] += 1 }
      let isIn = has.map { $0 <= stage } ?? false
      let isInOther = other.map { Self.stage(bytes, $0) != nil } ?? false
      switch (isIn, isInOther) {
      case (true, true): both += 1
      case (true, false): first += 1
      case (false, true): second += 1
      case (false, false): break
      }
    }
  }

  private static func stage(_ user: [UInt8], _ evaluator: Evaluator) -> Int? {
    guard let decision = try? evaluator.decide(user: user.span), decision.enabled else {
      return nil
    }
    return decision.entryStage
  }

  /// Who is in at a stage.
  package func count(upTo stage: Int) -> Int { byStage.prefix(stage + 1).reduce(0, +) }
}

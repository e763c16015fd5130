/// An audience made ready for deciding: hashes begun, lists indexed. Immutable, shared by all
/// threads.
package final class Evaluator: Sendable {
  private struct Step: Sendable {
    var rules: [Rule]
    var members: ByteSet
    var threshold: Int?
  }

  let audience: Audience
  let standing: Standing
  private let bucketer: Bucketer
  private let holdoutBucketer: Bucketer
  private let forceOn: ByteSet
  private let forceOff: ByteSet
  private let steps: [Step]
  // Copies of what every evaluation looks at, so that it touches neither of the two above.
  private let isServing: Bool
  /// Of the stage being served; -1 for none.
  let stageIndex: Int
  private let holdout: Int
  private let hasEligible: Bool
  /// Whether a rule looks at attributes.
  package let usesAttributes: Bool
  /// What deciding for one user may cost, in the unit of `Rule.cost`.
  package let cost: Int
  /// Of hashing, walking the stages and writing the answer.
  private static let costBase = 256
  /// The attributes whose values its rules compare with something.
  package let comparedAttributes: Set<String>

  /// `members` gives the members of a cohort by name.
  package init(_ audience: Audience, _ standing: Standing, members: (String) -> ByteSet) {
    self.audience = audience
    self.standing = standing
    let population = audience.population
    bucketer = Bucketer(salt: population.salt, bucketing: population.bucketing)
    holdoutBucketer = Bucketer(salt: population.salt, purpose: .holdout)
    forceOn = ByteSet(population.forceOn)
    forceOff = ByteSet(population.forceOff)
    steps = audience.stages.map { stage in
      Step(
        rules: stage.rules, members: stage.cohort.map(members) ?? ByteSet(),
        threshold: stage.percent?.thousandths)
    }
    switch standing {
    case .serving(let index, let isComplete):
      isServing = true
      stageIndex = index
      holdout = isComplete ? 0 : population.holdout.thousandths
    case .off:
      isServing = false
      stageIndex = -1
      holdout = 0
    }
    hasEligible = population.eligible != nil
    cost = Self.costBase + audience.ruleCost
    comparedAttributes = Set(audience.rules.flatMap(\.comparedNames))
    usesAttributes = hasEligible || steps.contains { !$0.rules.isEmpty }
  }

  /// Decides for one user; nil is a request without a user id. No allocation for percentages.
  ///
  /// Order: not serving, force_off, force_on, eligible, holdout, stages.
  /// Throws `UserRequired` when only a percentage could decide and there is no id to hash.
  package func decide(
    user: Span<UInt8>?, attributes: Attributes = [:]
  ) throws(UserRequired) -> Decision {
    let bucket: Int? = if let user { bucketer.bucket(user) } else { nil }
    guard isServing else {
      return Decision(
        enabled: false, entryStage: nil, bucket: bucket, reason: .disabled, cause: .notServing)
    }
    func off(_ cause: Decision.Cause) -> Decision {
      Decision(
        enabled: false, entryStage: nil, bucket: bucket, reason: .targetingMatch, cause: cause)
    }
    if let user {
      if !forceOff.isEmpty, forceOff.contains(user) { return off(.forcedOff) }
      if !forceOn.isEmpty, forceOn.contains(user) {
        return Decision(
          enabled: stageIndex >= 0, entryStage: 0, bucket: bucket, reason: .targetingMatch,
          cause: .forcedOn)
      }
    }
    if hasEligible, let eligible = audience.population.eligible,
      !eligible.contains(where: { $0.matches(attributes) })
    {
      return off(.notEligible)
    }
    if holdout > 0 {
      guard let user else { throw UserRequired() }
      if holdoutBucketer.bucket(user) < holdout { return off(.heldOut) }
    }
    return try walk(user: user, bucket: bucket, attributes)
  }

  /// Finds the first stage that includes the user.
  private func walk(
    user: Span<UInt8>?, bucket: Int?, _ attributes: Attributes
  ) throws(UserRequired) -> Decision {
    var undecided = false
    for index in steps.indices {
      // `steps[index]` is read in place: copying a step would retain its arrays.
      if !steps[index].rules.isEmpty,
        steps[index].rules.contains(where: { $0.matches(attributes) })
      {
        return include(index, bucket, .targetingMatch, .matchedRule(stage: index))
      }
      if let user, !steps[index].members.isEmpty, steps[index].members.contains(user) {
        return include(index, bucket, .targetingMatch, .member(stage: index))
      }
      guard let threshold = steps[index].threshold, threshold > 0 else { continue }
      if threshold >= Bucketer.bucketCount {
        if undecided, index > stageIndex { throw UserRequired() }
        return include(index, bucket, .static, .everyone(stage: index))
      }
      if let bucket {
        if bucket < threshold { return include(index, bucket, .split, .bucketInside(stage: index)) }
      } else if index <= stageIndex {
        undecided = true
      }
    }
    if undecided { throw UserRequired() }
    return Decision(
      enabled: false, entryStage: nil, bucket: bucket, reason: outsideReason, cause: .inNoStage)
  }

  private var outsideReason: Decision.Reason {
    steps.contains { $0.threshold != nil } ? .split : .targetingMatch
  }

  private func include(
    _ stage: Int, _ bucket: Int?, _ reason: Decision.Reason, _ cause: Decision.Cause
  ) -> Decision {
    let enabled = stage <= stageIndex
    // Who waits for the 100 % stage is out by percentage, not by a constant.
    let reason = !enabled && reason == .static ? .split : reason
    return Decision(
      enabled: enabled, entryStage: stage, bucket: bucket, reason: reason, cause: cause)
  }
}

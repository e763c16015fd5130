/// How one feature does, at one moment.
package struct Assessment: Sendable {
  /// The verdict over all guards, in one word.
  package enum Word: String, Sendable {
    case notServing = "not_serving"
    case failing, pending, investigate, inconclusive
    /// People use it, and nothing is heard of how they fare.
    case unavailable
    case healthy

    /// For people, in a word or two.
    package var words: String {
      switch self {
      case .notServing: "off"
      case .failing: "failing"
      case .pending: "going bad"
      case .investigate: "worth a look"
      case .inconclusive: "gathering"
      case .unavailable: "nothing heard"
      case .healthy: "well"
      }
    }
  }

  package var plan: Plan
  package var at: Instant
  package var findings: [Finding]
  package var gates: HealthGates
  package var word: Word
  package var sentence: String
  /// What people should know beside the verdict.
  package var notes: [String]
  package var lastTrafficAt: Instant?
  /// The provider's model that most of the last failures came from.
  package var suspect: ProviderModel?
  package var lastFailureAt: Instant?
  /// The provider that refused our key in most of the last failures.
  package var refuser: String?
  /// Whether most of the last failures met with a limit of our account: no outage.
  package var isThrottled = false
  /// When the plan was last held for the investigate band.
  package var investigatedAt: Instant?

  /// The verdict for people: what fires and only tells is no danger that anybody acts on.
  package var words: String {
    let firing = findings.filter { $0.verdict.state == .firing }
    guard word == .failing, !firing.contains(where: { $0.acts(in: plan) }) else {
      return word.words
    }
    return "over a limit (only told)"
  }

  /// Since when this feature's users meet with errors; nil while they do not.
  package var failingSince: Instant? {
    findings.filter {
      $0.rule.metric == .errorRate
        && ($0.verdict.state == .firing || $0.verdict.state == .pending)
    }.compactMap(\.failingSince).min()
  }

  /// Whether a guard about failures acts, or does when it goes on: what providers are asked for.
  package var isActedOn: Bool {
    findings.contains {
      $0.rule.isAboutFailures && $0.acts(in: plan)
        && ($0.verdict.state == .firing || $0.isGoingOn)
    }
  }

  /// An assessment older than this says nothing about now.
  private static let freshFor = TimeSpan.seconds(5)
  /// Who has failed for longer does not vouch for an outage that has just begun.
  private static let togetherFor = TimeSpan.minutes(10)

  /// Whose users have met with no failure for so long does not testify that others meet with them.
  private static let silentFor = TimeSpan.seconds(10)

  /// Whether this feature, too, has begun to fail on that target: it serves now, was looked at just
  /// now, its requests still fail, and they began together.
  package func witnesses(_ target: ProviderModel, now: Instant) -> Bool {
    guard plan.isServing, suspect == target, now.since(at) <= Self.freshFor, let failingSince,
      let lastFailureAt, now.since(lastFailureAt) <= Self.silentFor
    else { return false }
    return now.since(failingSince) <= Self.togetherFor
  }
}

extension FeatureHealth {
  /// Judges everything at `now`.
  package mutating func assessment(now: Instant) -> Assessment {
    let findings = assess(now: now)
    let gates = gates(findings, now: now)
    let (word, sentence) = overall(findings, now)
    return Assessment(
      plan: plan, at: now, findings: findings, gates: gates, word: word, sentence: sentence,
      notes: notes, lastTrafficAt: lastTrafficAt, suspect: suspect(now),
      lastFailureAt: lastFailureAt, refuser: refuser(now), isThrottled: isThrottled(now),
      investigatedAt: investigatedAt)
  }

  private func overall(_ findings: [Finding], _ now: Instant) -> (Assessment.Word, String) {
    guard plan.isServing else {
      if plan.bidsFarewell(at: now) {
        return (
          .notServing,
          "\(plan.feature) is archived and still answers as when it was completed; nobody judges it."
        )
      }
      return (.notServing, "\(plan.feature) serves nobody, so there is nothing to judge.")
    }
    func first(_ states: Detector.State...) -> String? {
      findings.first { states.contains($0.verdict.state) }?.verdict.sentence
    }
    if let sentence = first(.firing) { return (.failing, sentence) }
    if let sentence = first(.pending) { return (.pending, sentence) }
    if let sentence = staleness(now) { return (.unavailable, sentence) }
    if let sentence = first(.investigate) { return (.investigate, sentence) }
    if findings.isEmpty { return (.inconclusive, "No guard watches this plan.") }
    if let sentence = first(.inconclusive, .unavailable) { return (.inconclusive, sentence) }
    return (.healthy, "All guards are quiet at stage \(plan.stageName).")
  }
}

import RolloutEvaluation

// What a guard says to people: what happened, to how many, and against which limit. Never a score,
// and never a rate below the limit as the reason for acting.
extension Detector {
  func judge(_ affected: ThresholdWindow.Affected, _ now: Instant) -> (State, String) {
    let name = rule.metric.rawValue
    guard latchedAt != nil else { return (unlatchedState, "\(name): \(unlatchedSentence)") }
    // What has ended first: of whom it hurt nothing may be left in sight.
    guard isRecentlyOver else {
      return (.pending, "\(name): \(ended); \(acts) only if it goes on.")
    }
    guard isWidespread else {
      guard window.worstStreak(share: measure.share) != nil else {
        return (
          .pending,
          "\(name): \(wentBad), but the last \(window.count) \(rule.things) that count are within the limit of "
            + "\(limitText) again; \(acts) only if it goes on."
        )
      }
      // Where nobody causes more than the others, it is only too few yet.
      guard affected.users == 1 || Double(affected.users) > 1.5 * affected.effective else {
        return (
          .pending,
          "\(name): \(wentBad); \(acts) when \(minAffectedUsers) people are hurt, so far "
            + "\(affected.users)."
        )
      }
      let people = affected.users == 1 ? "1 person alone who causes" : "few people who cause"
      return (
        .pending,
        "\(name): \(wentBad), but it is \(people) most of it; \(acts) when "
          + "\(minAffectedUsers) are hurt alike."
      )
    }
    guard isConfirmed(now) else {
      if confirmation.isEnough, !isWidelyConfirmed {
        return (
          .pending,
          "\(name): \(wentBad), but it goes on for few people only; \(acts) when \(minAffectedUsers) are "
            + "hurt alike."
        )
      }
      return (.pending, "\(name): \(wentBad), limit \(limitText); \(acts) when it goes on.")
    }
    return (.firing, "\(name): \(wentBad), limit \(limitText).")
  }

  private var unlatchedState: State {
    if isTriggered, !hasEnded { return .pending }
    if band?.isLatched == true { return .investigate }
    return window.count < rule.judgedFrom ? .inconclusive : .quiet
  }

  private var unlatchedSentence: String {
    if isTriggered, !hasEnded { return "\(ended); \(acts) only if it goes on." }
    if let band, band.isLatched, window.count == 0 {
      return
        "no request yet since the guards began anew; it was above \(band.low.text) where people "
        + "should look."
    }
    if let band, band.isLatched {
      return
        "\(summary), and was above \(band.low.text) where people should look; \(place)."
    }
    if window.count < rule.judgedFrom {
      if case .share = measure, window.bad > 1, window.bad * 2 >= window.count {
        return
          "\(window.bad) of the first \(window.count) \(rule.things) that count \(badVerb), too "
          + "few to judge; \(rule.judgedFrom) are needed, or fewer when it goes on."
      }
      return "\(window.count) of \(rule.judgedFrom) \(rule.things) needed to judge."
    }
    guard window.mean > 1 else { return "\(summary), under the limit of \(limitText)." }
    if isTriggered {
      return "\(summary), over \(limitText), but the last \(rule.things) are within it again."
    }
    guard case .share = measure else {
      return "\(summary), above \(limitText) but within noise."
    }
    let fires =
      rule.quantile == nil
      ? "fires at \(firesAt) of \(window.count)" : "fires when \(firesAt) of them are slower"
    return "\(summary), above \(limitText) but within noise; \(fires)."
  }

  /// What it does once it fires, for people.
  private var acts: String {
    rule.dryRun ? "would act" : rule.action == .notify ? "tells" : "acts"
  }

  /// Where what is not acted on stands beside the limit.
  private var place: String {
    guard window.mean > 1 else { return "under the limit of \(limitText)" }
    if isTriggered {
      return "over the limit of \(limitText), but the last \(rule.things) are within it again"
    }
    return window.count < rule.judgedFrom
      ? "over the limit of \(limitText), in too few \(rule.things) to act on"
      : "above the limit of \(limitText) but within noise"
  }

  /// `6 % of the last 100 requests`, `mean 812 ms over the last 500 requests`.
  private var summary: String {
    let requests = "the last \(window.count) \(rule.things)"
    switch measure {
    case .amount(let limit, let cap):
      let mean = "mean \(rule.shown(window.uncapped.mean * limit)) over \(requests)"
      guard window.isCapped else { return mean }
      return "\(mean) (\(rule.shown(window.mean * limit)) with each counted as "
        + "\(rule.shown(cap * limit)) at most)"
    case .share:
      return quantileWords(window.count) ?? "\(percent(window.rate)) of \(requests)"
    }
  }

  /// `p95 3.2 s over the last 500 requests`; nil for what is no quantile.
  private func quantileWords(_ count: Int) -> String? {
    guard let quantile = rule.quantile, case .time(let limit) = rule.limit else { return nil }
    let amount = window.quantile(slower: quantile.slower, last: count)
    return "\(quantile.name) \(rule.shown(amount * Double(limit.milliseconds))) over the last "
      + "\(count) requests"
  }

  /// What was over the limit, where the last seconds are not.
  private var ended: String {
    guard window.worstStreak(share: measure.share) != nil else {
      return "was over the limit of \(limitText) for a moment, and is within it again"
    }
    return "\(wentBad), but the last \(rule.things) are within the limit of \(limitText) again"
  }

  /// How control fares beside the treatment: `of their last 200 requests 4.5 % failed, of the last
  /// 40 with it 100 %`; nil without control.
  var armWords: String? {
    guard controlCount > 0 else { return nil }
    let theirs = "of their last \(controlRecent.count) \(rule.things)"
    switch measure {
    case .amount(let limit, _):
      return "\(theirs) the mean was \(rule.shown(controlRecent.mean * limit)), of the last "
        + "\(recent.count) with it \(rule.shown(recent.mean * limit))"
    case .share:
      return "\(theirs) \(percent(controlRecent.rate)) \(badVerb), of the last \(recent.count) "
        + "with it \(percent(recent.rate))"
    }
  }

  /// `the last 14 requests all failed, for 14 people`.
  private var wentBad: String {
    // Once the window is within the limit, the last seconds are what is not.
    guard let streak = window.worstStreak(share: measure.share) else {
      return "\(recent.bad) of the last \(recent.count) \(rule.things) \(badVerb)"
    }
    let people = "\(streak.users) \(streak.users == 1 ? "person" : "people")"
    switch measure {
    case .amount(let limit, let cap):
      let capped =
        streak.isCapped ? " (each counted as \(rule.shown(cap * limit)) at most)" : ""
      return "the last \(streak.requests) requests \(rule.verb) "
        + "\(rule.shown(streak.mean * limit)) on average\(capped), for \(people)"
    case .share:
      if let words = quantileWords(streak.requests) { return "\(words), for \(people)" }
      let all = streak.bad == streak.requests && streak.bad > 1
      let count =
        all
        ? "the last \(streak.requests) \(rule.things) all"
        : "\(streak.bad) of the last \(streak.requests) \(rule.things)"
      return "\(count) \(rule.verb), \(rule.metric == .thumbsDownRate ? "from" : "for") \(people)"
    }
  }

  /// `failed`, `took longer than 5 s`: what the bad ones of the last seconds did.
  private var badVerb: String {
    guard case .share = measure else { return "were over the limit" }
    return rule.quantile == nil ? rule.verb : "took longer than \(limitText)"
  }

  private var limitText: String {
    if rule.quantile != nil, case .time(let limit) = rule.limit {
      return rule.shown(Double(limit.milliseconds))
    }
    switch measure {
    // A limit has three decimals and is shown with all that it has.
    case .share(let share): return Share(thousandths: Int((share * 100_000).rounded())).text
    case .amount(let limit, _): return rule.shown(limit)
    }
  }
}

extension Guard {
  /// What it counts, for people.
  fileprivate var things: String { metric == .thumbsDownRate ? "votes" : "requests" }

  /// What the requests did that this guard is about.
  fileprivate var verb: String {
    switch metric {
    case .errorRate: "failed"
    case .degradedRate: "were degraded"
    case .thumbsDownRate: "were thumbs down"
    case .regenerateRate: "were asked for again"
    case .abandonRate: "were abandoned"
    case .latencyMean, .latencyP50, .latencyP95, .latencyP99: "took"
    case .costPerRequest: "cost"
    case .tokensPerRequest: "used"
    case .prometheus: "were bad"
    }
  }
}

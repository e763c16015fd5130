package import DocumentKit

/// Watches a number that is asked for on a schedule, such as the result of a Prometheus query. No
/// answer, an old one, or none that is a number is `unavailable`: never healthy.
package struct PollWatch: Sendable, Equatable {
  /// What came of one question.
  package enum Sample: Sendable, Equatable {
    case value(Double)
    case unavailable(String)
  }

  /// How long what is still over its limit since before a step back is not acted on again.
  package struct Rest: Sendable, Equatable {
    package var until: Instant
  }

  package let rule: Guard
  let sustain: TimeSpan
  private var rest: Rest?
  /// Answers older than this say nothing about now.
  private static let freshness = TimeSpan.minutes(3)

  private var last: (sample: Sample, at: Instant)?
  private var overSince: Instant?
  package private(set) var samples = 0
  package private(set) var over = 0

  package init(_ rule: Guard, preset: Preset, rest: Rest? = nil) {
    self.rule = rule
    self.rest = rest
    sustain = rule.sustain ?? preset.sustain
  }

  package static func == (a: PollWatch, b: PollWatch) -> Bool {
    a.rule == b.rule && a.last?.sample == b.last?.sample && a.last?.at == b.last?.at
      && a.overSince == b.overSince && a.samples == b.samples && a.rest == b.rest
  }

  private var limit: Double {
    if case .number(let number) = rule.limit { return number }
    return .infinity
  }

  package mutating func record(_ sample: Sample, at: Instant) {
    last = (sample, at)
    guard case .value(let value) = sample else {
      overSince = nil
      return
    }
    samples += 1
    if value > limit {
      over += 1
      overSince = overSince ?? at
    } else {
      overSince = nil
      rest = nil
    }
  }

  package func assess(now: Instant) -> Verdict {
    guard let last, now.since(last.at) <= Self.freshness else {
      return unavailable(last == nil ? "not asked yet" : "no answer for 3 m")
    }
    guard case .value(let value) = last.sample else {
      if case .unavailable(let why) = last.sample { return unavailable(why) }
      return unavailable("no answer")
    }
    let shown = shortestText(of: (value * 1e4).rounded() / 1e4)
    let bound = shortestText(of: limit)
    var verdict = Verdict(
      state: .quiet, sentence: "prometheus: \(shown), under the limit of \(bound).")
    if overSince != nil, let rest, now < rest.until {
      verdict = Verdict(
        state: .pending,
        sentence:
          "prometheus: \(shown), still over \(bound) since before the step back; acts again "
          + "once it has been under, or in \(rest.until.since(now).words).")
    } else if let overSince {
      let waited = now.since(overSince)
      if waited >= sustain {
        verdict = Verdict(
          state: .firing,
          sentence: "prometheus: \(shown), over the limit of \(bound): \(rule.query)")
      } else {
        let left = TimeSpan(milliseconds: sustain.milliseconds - waited.milliseconds)
        verdict = Verdict(
          state: .pending,
          sentence: "prometheus: \(shown), over \(bound); acts in \(left.words).")
      }
    }
    verdict.requests = samples
    verdict.errors = over
    verdict.rate = value
    return verdict
  }

  private func unavailable(_ why: String) -> Verdict {
    Verdict(state: .unavailable, sentence: "prometheus: \(why); unavailable is not healthy.")
  }

  package func evidenceDocument(_ verdict: Verdict) -> Document {
    .object([
      "guard": .string("prometheus"),
      "query": .string(rule.query),
      "limit": .string(rule.limit.text),
      "value": verdict.rate.map { .double($0) },
      "sentence": .string(verdict.sentence),
    ])
  }
}

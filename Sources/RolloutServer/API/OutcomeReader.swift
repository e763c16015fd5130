import DocumentKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation

/// Reads what an app reports about one request. What cannot be meant is refused; a figure that
/// makes no sense is dropped and said, and the rest is kept.
struct OutcomeReader {
  /// How far back and ahead of now a report may lie.
  private static let pastMax = TimeSpan.days(7)
  private static let futureMax = TimeSpan.minutes(5)
  /// 2000-01-01: what lies before was meant in seconds.
  private static let earliest = Instant(milliseconds: 946_684_800_000)
  private static let idSizeMax = 255

  private var reader: ObjectReader
  private let index: Int
  private let now: Moment
  private(set) var warnings: [OutcomeAnswer.Rejection] = []

  init(_ document: Document, index: Int, now: Moment) throws(DocumentError) {
    reader = try ObjectReader(document)
    self.index = index
    self.now = now
  }

  /// An entry of `/v1/outcomes`.
  mutating func report(
    _ snapshot: Snapshot, _ principal: Principal
  ) throws(DocumentError) -> OutcomeLedger.Report {
    let feature = try reader.requiredText("feature")
    guard let plan = snapshot.plan(feature) else {
      throw reader.error("feature", "There is no feature \(quoted(feature)).")
    }
    guard principal.may(use: feature) else {
      throw reader.error("feature", "The token is limited to other features.")
    }
    let user = try user()
    guard let ok = try reader.bool("ok") else { throw reader.error("ok", "Say true or false.") }
    let kind = try reader.text("kind") ?? ""
    guard kind.unicodeScalars.count <= ReportedOutcome.kindSizeMax else {
      throw reader.error("kind", "A kind is at most \(ReportedOutcome.kindSizeMax) characters.")
    }
    let said = ReportedOutcome(isOK: ok, kind: kind)
    let latency = figure("latency_ms", upTo: 86_400_000)
    let inputTokens = count("input_tokens")
    let outputTokens = count("output_tokens")
    let dollars = figure("cost_usd", upTo: 1_000_000)
    let membership = try membership(plan, user)
    let id = try identifier("id")
    let at = try instant("at")
    let began = try instant("started_at")
    let version = try version(of: plan)
    try reader.finish()
    var outcome = Outcome(
      result: said.result, arm: membership.arm,
      user: user.map { Outcome.hash(user: $0) }, at: min(at ?? now.steady, now.steady),
      beganAt: began,
      latency: latency, inputTokens: inputTokens, outputTokens: outputTokens,
      cost: dollars.map { Money(nanodollars: Int(($0 * 1e9).rounded())) })
    outcome.isUndated = at == nil && began == nil && version == nil
    outcome.isDrawn = membership.isDrawn
    outcome.isGivenUp = said.isGivenUp
    return OutcomeLedger.Report(
      feature: feature, outcome: outcome, id: id, version: version,
      failure: FailureNote(kind: said.failureKind, requestID: id))
  }

  /// What the body of `/v1/feedback` says.
  struct Vote {
    var vote: Feedback
    var feature: String
    /// The request it is about.
    var about: String?
    /// The plan's version when that was decided, where it was said.
    var version: Int?
  }

  /// The body of `/v1/feedback`.
  mutating func feedback(
    _ snapshot: Snapshot, _ principal: Principal
  ) throws(DocumentError) -> Vote {
    let feature = try reader.requiredText("feature")
    let user = try user()
    guard let kind: Feedback.Kind = try reader.choice("kind") else {
      let names = Feedback.Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw reader.error("kind", "Say what it is: \(names).")
    }
    let about = try identifier("request_id")
    let membership = try snapshot.plan(feature).map { plan throws(DocumentError) in
      try self.membership(plan, user)
    }
    let version = try version(of: snapshot.plan(feature))
    let began = try instant("started_at")
    try reader.finish()
    let vote = Feedback(
      kind: kind, arm: membership?.arm ?? .treatment, user: user.map { Outcome.hash(user: $0) },
      at: now.steady, beganAt: began)
    return Vote(vote: vote, feature: feature, about: about, version: version)
  }

  // MARK: Parts

  private mutating func user() throws(DocumentError) -> String? {
    let user = try reader.text("user").flatMap { $0.isEmpty ? nil : $0 }
    guard (user?.utf8.count ?? 0) <= UserID.lengthMax else {
      throw reader.error("user", "A user id is at most \(UserID.lengthMax) bytes.")
    }
    return user
  }

  /// An empty one means none.
  private mutating func identifier(_ key: String) throws(DocumentError) -> String? {
    let id = try reader.text(key).flatMap { $0.isEmpty ? nil : $0 }
    guard (id?.utf8.count ?? 0) <= Self.idSizeMax else {
      throw reader.error(key, "An id is at most \(Self.idSizeMax) bytes.")
    }
    return id
  }

  /// What the app says, or what the evaluator says for that user.
  private mutating func membership(
    _ plan: CompiledPlan, _ user: String?
  ) throws(DocumentError) -> CompiledPlan.Membership {
    var attributes = Attributes()
    if var list = try reader.object("attributes") {
      do throws(Problem) {
        attributes = try EvaluationContext(attributes: list.all()).attributes
      } catch { throw reader.error("attributes", error.detail) }
    }
    let said: ReportedArm? = try reader.choice("arm")
    let bytes = user.map { Array($0.utf8) }
    let found =
      if let bytes { plan.membership(user: bytes.span, attributes: attributes) } else {
        plan.membership(user: nil, attributes: attributes)
      }
    guard let said else { return found }
    // Who says so knows; only a list that the plan shows makes the user incomparable.
    let isDrawn = user == nil || found.arm == .unknown || found.isDrawn
    return .init(arm: said.arm, isDrawn: isDrawn)
  }

  private enum ReportedArm: String, CaseIterable {
    case treatment, control
    var arm: Outcome.Arm { self == .treatment ? .treatment : .control }
  }

  /// The plan's version when the request was decided: one that there has been.
  private mutating func version(of plan: CompiledPlan?) throws(DocumentError) -> Int? {
    let version = try reader.int("plan_version", in: 1...Int.max)
    if let version, let latest = plan?.plan.version, version > latest {
      throw reader.error(
        "plan_version", "There is no version \(version) of the plan yet; the latest is \(latest).")
    }
    return version
  }

  private mutating func drop(_ key: String, _ why: String) {
    warnings.append(.init(index: index, error: "\(key): \(why); the figure was dropped."))
  }

  /// An amount from 0 up; nonsense is dropped and said.
  private mutating func figure(_ key: String, upTo max: Double) -> Double? {
    guard let value = reader.optional(key) else { return nil }
    guard let number = value.double, (0...max).contains(number) else {
      drop(key, "expected a number from 0 to \(shortestText(of: max))")
      return nil
    }
    return number
  }

  private mutating func count(_ key: String) -> Int? {
    guard let value = reader.optional(key) else { return nil }
    guard let number = value.int, (0...1_000_000_000).contains(number) else {
      drop(key, "expected a whole number from 0 to 1000000000")
      return nil
    }
    return number
  }

  /// RFC 3339 or milliseconds, within a week back and five minutes ahead; as the place on the
  /// steady timeline that is as long ago.
  private mutating func instant(_ key: String) throws(DocumentError) -> Instant? {
    guard let value = reader.optional(key) else { return nil }
    let at: Instant
    if let milliseconds = value.int {
      at = Instant(milliseconds: Int64(milliseconds))
    } else if let text = value.string, let read = Instant(rfc3339: text) {
      at = read
    } else {
      throw reader.error(
        key, "Expected RFC 3339 such as 2026-11-23T10:00:00Z, or milliseconds since 1970.")
    }
    guard at >= Self.earliest else {
      throw reader.error(key, "That is before the year 2000; is it in seconds? Send milliseconds.")
    }
    guard now.wall.since(at) <= Self.pastMax else {
      throw reader.error(key, "More than seven days back; too late to be counted.")
    }
    guard at.since(now.wall) <= Self.futureMax else {
      throw reader.error(key, "More than five minutes ahead; is the sender's clock right?")
    }
    let age = now.wall.milliseconds.subtracting(at.milliseconds)
    return Instant(milliseconds: now.steady.milliseconds &- age)
  }
}

import DocumentKit
import HTTPKit
import HTTPServerKit
import RolloutCore
import RolloutEvaluation

/// A plan's answers with everything but user and bucket written out: evaluating then means hashing
/// and copying. The one writer of decisions, native and OFREP.
final class RenderedPlan: Sendable {
  let compiled: CompiledPlan
  private let counter: EvaluationCounter
  /// `{"feature":"ai-summary"`
  private let feature: [UInt8]
  /// `,"enabled":true,…,"stage":"25"`, by cohort (none first) and enabled.
  private let middles: [[UInt8]]
  /// `,"reason":"SPLIT","plan_version":7`, by reason.
  private let tails: [[UInt8]]
  /// `{"key":"ai-summary","value":true,"variant":"on","reason":"`, off and on.
  private let flags: [[UInt8]]
  /// `","metadata":{"stage":"25","cohort":"beta"`, by cohort.
  private let metadata: [[UInt8]]
  /// `,"planVersion":7}}`
  private let flagTail: [UInt8]

  private static let reasons: [Decision.Reason] = [.targetingMatch, .split, .static, .disabled]

  init(_ compiled: CompiledPlan, counting counter: EvaluationCounter) {
    self.compiled = compiled
    self.counter = counter
    let plan = compiled.plan
    func text(_ string: String) -> String { Document.string(string).jsonText }
    let cohorts = ["none"] + plan.definition.stages.map(\.name)
    let stage = text(plan.stageName)
    feature = Array("{\"feature\":\(text(plan.feature))".utf8)
    middles = cohorts.flatMap { cohort in
      [("false", "off"), ("true", "on")].map { enabled, variant in
        Array(
          """
          ,"enabled":\(enabled),"variant":"\(variant)","cohort":\(text(cohort)),"stage":\(stage)
          """.utf8)
      }
    }
    tails = Self.reasons.map {
      Array(",\"reason\":\"\($0.rawValue)\",\"plan_version\":\(plan.version)".utf8)
    }
    flags = [
      (plan.definition.valueOff, "off"), (plan.definition.valueOn, "on"),
    ].map { value, variant in
      Array(
        """
        {"key":\(text(plan.feature)),"value":\(value.jsonText),"variant":"\(variant)","reason":"
        """.utf8)
    }
    metadata = cohorts.map {
      Array("\",\"metadata\":{\"stage\":\(stage),\"cohort\":\(text($0))".utf8)
    }
    flagTail = Array(",\"planVersion\":\(plan.version)}}".utf8)
  }

  /// The native answer. `account` is whose question it was.
  func write(
    _ decision: Decision, user: ByteView?, for account: Int, because: String? = nil,
    to out: inout OutputBuffer
  ) {
    counter.count(enabled: decision.enabled, for: account)
    out.append(feature)
    if let user {
      out.append(",\"user\":\"")
      out.append(jsonText: user)
      out.append("\"")
    }
    out.append(middles[((decision.entryStage ?? -1) + 1) * 2 + (decision.enabled ? 1 : 0)])
    if let bucket = decision.bucket {
      out.append(",\"bucket\":")
      out.append(decimal: bucket)
    }
    out.append(tails[index(decision.reason)])
    if let because {
      out.append(",\"because\":")
      out.append(Document.string(because).json)
    }
    out.append("}")
  }

  /// The OFREP answer.
  func writeFlag(_ decision: Decision, for account: Int, to out: inout OutputBuffer) {
    counter.count(enabled: decision.enabled, for: account)
    out.append(flags[decision.enabled ? 1 : 0])
    switch decision.reason {
    case .targetingMatch: out.append("TARGETING_MATCH")
    case .split: out.append("SPLIT")
    case .static: out.append("STATIC")
    case .disabled: out.append("DISABLED")
    }
    out.append(metadata[(decision.entryStage ?? -1) + 1])
    if let bucket = decision.bucket {
      out.append(",\"bucket\":")
      out.append(decimal: bucket)
    }
    out.append(flagTail)
  }

  private func index(_ reason: Decision.Reason) -> Int {
    switch reason {
    case .targetingMatch: 0
    case .split: 1
    case .static: 2
    case .disabled: 3
    }
  }
}

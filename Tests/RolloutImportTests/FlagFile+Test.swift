import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutImport
import Testing
import YAMLKit

/// The time that the tests look at files: in the middle of 2026.
let noon = Instant(rfc3339: "2026-07-01T12:00:00Z")

/// What becomes of the flags of a file, by their keys.
func imported(
  _ text: String, of system: ForeignSystem, user: String? = nil, environment: String? = nil
) throws -> [String: ImportedPlan] {
  var settings = ImportSettings(time: try #require(noon))
  settings.userAttribute = user
  settings.environment = environment
  let file = try FlagFile(YAMLReader.read(Array(text.utf8)), of: system, settings)
  return Dictionary(uniqueKeysWithValues: file.plans.map { ($0.key, $0) })
}

extension ImportedPlan {
  /// Whether a user has it once the first stage is served.
  func isOn(_ user: String, _ attributes: Attributes = [:]) throws -> Bool {
    let definition = try #require(definition, "\(refusal ?? "")")
    let stage = definition.stages.first?.name == Self.stageName ? 0 : -1
    let evaluator = Evaluator(
      definition.audience, .serving(upTo: stage, isComplete: false), members: { _ in ByteSet() })
    return try evaluator.decide(user: Array(user.utf8).span, attributes: attributes).enabled
  }

  /// What is lost of its people, in words.
  var lost: [String] { remarks.filter { $0.effect == .people }.map(\.text) }

  /// Of those who have it there.
  var percent: String? {
    let first = definition?.stages.first
    return first?.name == Self.stageName ? first?.audience.percent?.text : nil
  }
}

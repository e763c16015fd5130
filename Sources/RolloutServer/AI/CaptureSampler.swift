import DocumentKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutGateway
import Synchronization

/// Keeps a sample of prompts and answers, redacted, where the configuration asks for it. No user id
/// is kept.
struct CaptureSampler: Sendable {
  /// Captures kept at most, over all features.
  private static let capturesMax = 10_000
  /// Captures that are being redacted and written at once; more are no part of the sample.
  private static let underWayMax = 16

  /// How many are under way; shared by copies.
  private final class Count: Sendable {
    let value = Atomic<Int>(0)
  }

  var settings: GatewayConfiguration.Capture?
  let store: any CaptureStore
  let log: Log
  /// Numbers in 0..<100,000.
  var draw: @Sendable () -> Int = { Int.random(in: 0..<100_000) }
  private let underWay = Count()

  init(settings: GatewayConfiguration.Capture?, store: any CaptureStore, log: Log) {
    self.settings = settings
    self.store = store
    self.log = log
  }

  /// Whether the call is one of the sample.
  func wants(_ call: AICall) -> Bool {
    guard let settings, settings.features?.contains(call.feature) ?? true else {
      return false
    }
    return draw() < settings.share.thousandths
  }

  /// What a provider answered.
  enum Answer: Sendable {
    case text(String)
    /// More than text, in the provider's dialect.
    case json([UInt8])
  }

  /// Keeps an answer of a call that is wanted, after the client has it.
  func keep(
    _ call: AICall, _ answer: Answer, _ trail: Gateway.Trail, _ usage: Usage?, at now: Instant
  ) {
    guard let settings else { return }
    guard underWay.value.wrappingAdd(1, ordering: .relaxed).oldValue < Self.underWayMax else {
      underWay.value.wrappingSubtract(1, ordering: .relaxed)
      return
    }
    // Not on the thread of the calls: looking for patterns takes milliseconds.
    Task.detached(priority: .background) { [store, log, underWay] in
      defer { underWay.value.wrappingSubtract(1, ordering: .relaxed) }
      let capture = Capture(
        request: call.requestID, feature: call.feature, stage: call.compiled.plan.stageName,
        at: now, expiresAt: now + settings.keepFor, provider: trail.provider, model: trail.model,
        prompt: call.request.promptParts.map(settings.redactor.redacted(json:))
          .joined(separator: "\n"),
        answer: answer.redacted(settings.redactor), inputTokens: usage?.inputTokens ?? 0,
        outputTokens: usage?.outputTokens ?? 0)
      do { try await store.keep(capture, max: Self.capturesMax) } catch {
        log.error("a capture could not be kept", ["error": "\(error)"])
      }
    }
  }
}

extension CaptureSampler.Answer {
  fileprivate func redacted(_ redactor: Redactor) -> String {
    switch self {
    case .text(let text): redactor.redacted(text)
    case .json(let bytes): redactor.redacted(json: bytes)
    }
  }
}

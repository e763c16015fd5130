import DocumentKit

/// What the users of one arm met with in one stage.
package struct ArmStatistics: Sendable, Equatable {
  package private(set) var requests = 0
  /// By result; `excluded` is counted here and nowhere else.
  package private(set) var results: [Outcome.Result: Int] = [:]
  package private(set) var latencies = LatencyHistogram()
  package private(set) var inputTokens = 0
  package private(set) var outputTokens = 0
  package private(set) var cost = Money.zero
  package private(set) var feedback: [Feedback.Kind: Int] = [:]

  package init() {}

  /// Requests of any kind, those that do not count too.
  package var all: Int { requests + self[.excluded] }
  /// Requests whose user got no AI answer.
  package var failed: Int { self[.failed] + self[.degradedFallback] }
  package subscript(_ result: Outcome.Result) -> Int { results[result] ?? 0 }
  package subscript(_ kind: Feedback.Kind) -> Int { feedback[kind] ?? 0 }

  /// `instead` is the latency that was noted for it while it was still running.
  mutating func record(_ outcome: Outcome, instead noted: Double? = nil) {
    results[outcome.result, default: 0] += 1
    guard outcome.result != .excluded else { return }
    requests += 1
    if let latency = outcome.latency { note(latency: latency, instead: noted) }
    inputTokens = inputTokens.adding(outcome.inputTokens ?? 0)
    outputTokens = outputTokens.adding(outcome.outputTokens ?? 0)
    cost = cost.adding(outcome.cost ?? .zero)
  }

  /// The latency of a request that is still running, or was given up; in the place of the one that
  /// was noted for it before.
  mutating func note(latency: Double, instead noted: Double?) {
    if let noted { latencies.remove(noted) }
    latencies.record(latency)
  }

  mutating func record(_ kind: Feedback.Kind) { feedback[kind, default: 0] += 1 }
}

extension ArmStatistics {
  func write(to writer: inout StateWriter) {
    writer.int(requests)
    for result in Outcome.Result.allCases { writer.int(self[result]) }
    latencies.write(to: &writer)
    writer.int(inputTokens)
    writer.int(outputTokens)
    writer.int(cost.nanodollars)
    for kind in Feedback.Kind.allCases { writer.int(self[kind]) }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    requests = try reader.natural()
    for result in Outcome.Result.allCases {
      let count = try reader.natural()
      results[result] = count == 0 ? nil : count
    }
    try latencies.read(from: &reader)
    inputTokens = try reader.natural()
    outputTokens = try reader.natural()
    cost = Money(nanodollars: try reader.natural())
    for kind in Feedback.Kind.allCases {
      let count = try reader.natural()
      feedback[kind] = count == 0 ? nil : count
    }
  }
}

import RolloutGateway
import Synchronization

/// Calls to providers, in the names of OpenTelemetry's conventions for generative AI.
final class AIMetrics: Sendable {
  /// Labels of one series.
  struct Key: Hashable, Comparable, Sendable {
    var provider: String
    var model: String
    /// Why it failed; empty when it did not.
    var error = ""

    static func < (a: Key, b: Key) -> Bool {
      (a.provider, a.model, a.error) < (b.provider, b.model, b.error)
    }
  }

  struct Numbers: Sendable {
    var durations: [Key: DurationHistogram] = [:]
    var firstChunks: [Key: DurationHistogram] = [:]
    var tokens: [Key: TokenUse] = [:]
    /// Requests that a limit on users or apps turned away, by its name.
    var limited: [String: Int] = [:]
  }

  private let numbers = Mutex(Numbers())

  var current: Numbers { numbers.withLock { $0 } }

  /// An attempt of the gateway. A stream that has begun is not over: it is counted when it ends.
  func attempted(_ report: Gateway.AttemptReport) {
    if report.isStream, report.failure == nil {
      firstChunk(report.provider, report.model, seconds: report.seconds)
    } else {
      ended(
        report.provider, report.model, seconds: report.seconds, failure: report.failure?.word,
        usage: report.usage)
    }
  }

  /// A call ended; `failure` is its word.
  func ended(
    _ provider: String, _ model: String, seconds: Double, failure: String?, usage: Usage?
  ) {
    let key = Key(provider: provider, model: model, error: failure ?? "")
    numbers.withLock { numbers in
      numbers.durations[key, default: DurationHistogram()].record(seconds: seconds)
      guard let usage else { return }
      let plain = Key(provider: provider, model: model)
      numbers.tokens[plain, default: TokenUse()].record(usage)
    }
  }

  /// A limit on users or apps turned a request away.
  func limited(by name: String) { numbers.withLock { $0.limited[name, default: 0] += 1 } }

  /// The first content of a stream came.
  func firstChunk(_ provider: String, _ model: String, seconds: Double) {
    let key = Key(provider: provider, model: model)
    numbers.withLock {
      $0.firstChunks[key, default: DurationHistogram()].record(seconds: seconds)
    }
  }
}

/// Tokens of the calls to one model.
struct TokenUse: Sendable {
  private(set) var input = TokenHistogram()
  private(set) var output = TokenHistogram()

  mutating func record(_ usage: Usage) {
    input.record(usage.inputTokens)
    output.record(usage.outputTokens)
  }
}

/// Tokens in the recommended buckets: 1, times four.
struct TokenHistogram: Sendable {
  static let bounds = (0..<14).map { 1 << ($0 * 2) }

  private(set) var counts = [Int](repeating: 0, count: bounds.count)
  private(set) var count = 0
  private(set) var sum = 0

  mutating func record(_ tokens: Int) {
    count += 1
    sum &+= tokens
    if let index = Self.bounds.firstIndex(where: { tokens <= $0 }) { counts[index] += 1 }
  }
}

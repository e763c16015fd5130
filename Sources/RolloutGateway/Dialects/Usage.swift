package import DocumentKit
import RolloutCore

/// What a provider used, as it says itself.
package struct Usage: Sendable, Equatable {
  /// No request takes more tokens; a larger count is believed so far and no further.
  static let tokensMax = 10_000_000

  package var inputTokens: Int
  package var outputTokens: Int

  /// Both together, as providers' limits count.
  var tokens: Int { inputTokens.adding(outputTokens) }

  package init(inputTokens: Int, outputTokens: Int) {
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
  }

  /// From a whole answer's `usage`, in its dialect; nil unless it says both counts.
  package init?(_ usage: Document?, _ dialect: ChatDialect) {
    guard let known = UsageCounts(usage, dialect).usage else { return nil }
    self = known
  }

  /// What a provider counted, in `0...tokensMax`; a fraction counts as a whole token. Nil for what
  /// is no count.
  static func count(_ number: Document?) -> Int? {
    // Not `double`: a count too large for one is as large as can be.
    guard case .number(let text) = number?.value, let count = Double(text), count >= 0 else {
      return nil
    }
    return min(Int(saturating: count.rounded(.up)), tokensMax)
  }
}

/// What `usage` objects say of a request: a stream tells in parts, and some tell nothing. What
/// nobody says is unknown, and not nothing.
package struct UsageCounts: Sendable, Equatable {
  package var inputTokens: Int?
  package var outputTokens: Int?

  package init() {}

  package init(_ usage: Document?, _ dialect: ChatDialect) {
    switch dialect {
    case .openai:
      inputTokens = Usage.count(usage?["prompt_tokens"])
      outputTokens = Usage.count(usage?["completion_tokens"])
    case .anthropic:
      // Three counts add up; those about a cache may be missing.
      inputTokens = Usage.count(usage?["input_tokens"]).map { input in
        ["cache_creation_input_tokens", "cache_read_input_tokens"].reduce(input) {
          min($0 + (Usage.count(usage?[$1]) ?? 0), Usage.tokensMax)
        }
      }
      outputTokens = Usage.count(usage?["output_tokens"])
    }
  }

  /// Takes over what a later one says.
  package mutating func merge(_ later: UsageCounts) {
    inputTokens = later.inputTokens ?? inputTokens
    outputTokens = later.outputTokens ?? outputTokens
  }

  package var usage: Usage? {
    guard let inputTokens, let outputTokens else { return nil }
    return Usage(inputTokens: inputTokens, outputTokens: outputTokens)
  }
}

package import DocumentKit
import RolloutCore

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

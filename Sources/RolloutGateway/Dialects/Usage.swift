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

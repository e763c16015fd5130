/// How an app says that a request went: whether well, and in what way.
package struct ReportedOutcome: Sendable, Equatable {
  /// Bytes of a kind.
  package static let kindSizeMax = 64

  package let isOK: Bool
  /// One word; empty where the app has none for it.
  package let kind: String

  package init(isOK: Bool, kind: String) {
    self.isOK = isOK
    self.kind = kind
  }

  /// `degraded_control` is what people without the feature get: no answer of the feature either.
  package var result: Outcome.Result {
    switch kind {
    case "client_cancelled", "caller_error": .excluded
    case "degraded_model": isOK ? .degradedModel : .failed
    case "degraded_cache": isOK ? .degradedCache : .failed
    case "degraded_fallback", "degraded_control": isOK ? .degradedFallback : .failed
    default: isOK ? .ok : .failed
    }
  }

  /// Whether its user did not wait for it.
  package var isGivenUp: Bool { kind == "client_cancelled" }

  /// The word for it among failures.
  package var failureKind: String { kind.isEmpty ? result.rawValue : kind }
}

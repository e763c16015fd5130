import DocumentKit
import Synchronization

/// Whether the server should be sent traffic, and what does not work as it should meanwhile.
///
/// A warning says what is degraded while decisions are right: a balancer that took the server away
/// for it would turn a small trouble into a large one.
final class Readiness: Sendable {
  /// One thing that does not work now.
  struct Warning: Sendable, Equatable {
    /// Which thing: `store`, `telemetry`, `plan:<feature>`; a label of `rollout_degraded`.
    var what: String
    /// A sentence for people.
    var detail: String
  }

  private struct State {
    var isDraining = false
    var warnings: [String: String] = [:]
  }

  private let state = Mutex(State())
  private let authentication: String

  /// `hasTokens` is false with `auth: off`, which is then shown.
  init(hasTokens: Bool) { authentication = hasTokens ? "tokens" : "off" }

  func startDraining() { state.withLock { $0.isDraining = true } }

  /// Takes in how something does now, and says so in the log when that is new; nil is well.
  func note(_ what: String, _ trouble: String?, _ log: Log) {
    let before = state.withLock { state in
      defer { state.warnings[what] = trouble }
      return state.warnings[what]
    }
    if let trouble {
      if before == nil { log.error(trouble, ["what": what]) }
    } else if before != nil {
      log.notice("\(what): works again", ["what": what])
    }
  }

  /// What is degraded now, by name.
  var warnings: [Warning] {
    state.withLock { state in
      state.warnings.map { Warning(what: $0.key, detail: $0.value) }
    }.sorted { $0.what < $1.what }
  }

  /// What `/readyz` says; with `isStrict` every warning is a reason not to be ready.
  func report(isStrict: Bool) -> (isReady: Bool, document: Document) {
    let warnings = warnings
    let isDraining = state.withLock { $0.isDraining }
    var reasons = isDraining ? ["the server is shutting down"] : []
    if isStrict { reasons += warnings.map(\.detail) }
    let status = isDraining ? "draining" : warnings.isEmpty ? "ready" : "degraded"
    return (
      reasons.isEmpty,
      .object([
        "status": .string(status),
        "auth": .string(authentication),
        "reasons": .array(reasons.map { .string($0) }),
        "warnings": .array(
          warnings.map {
            .object(["what": .string($0.what), "detail": .string($0.detail)])
          }),
      ])
    )
  }
}

import DocumentKit
import HTTPKit
import RolloutCore
import RolloutStore
import Synchronization

/// Liveness, readiness and the API's description.
struct OperationsEndpoint: Sendable {
  let readiness: Readiness

  var routes: [Route] {
    [
      Route(
        .get, "/livez", .open,
        .inline { $1.send(.json(.object(["status": .string("alive")]))) }),
      Route(.get, "/readyz", .open, .inline { [readiness] in $1.send(readiness.response) }),
      Route(
        .get, "/openapi.json", .open,
        .inline { $1.send(HTTPResponse(status: 200, body: PackageResources.openapi_json)) }),
    ]
  }
}

/// Whether the server should be sent traffic, and why not.
final class Readiness: Sendable {
  private struct State {
    var isDraining = false
    /// What does not work now, by what reported it.
    var troubles: [String: String] = [:]
  }

  private let state = Mutex(State())
  private let authentication: String

  /// `hasTokens` is false with `auth: off`, which is then shown.
  init(hasTokens: Bool) { authentication = hasTokens ? "tokens" : "off" }

  func startDraining() { state.withLock { $0.isDraining = true } }

  /// True when this source had no trouble before.
  func report(_ source: String, _ reason: String) -> Bool {
    state.withLock { $0.troubles.updateValue(reason, forKey: source) == nil }
  }

  /// True when this source had trouble before.
  @discardableResult
  func clear(_ source: String) -> Bool {
    state.withLock { $0.troubles.removeValue(forKey: source) != nil }
  }

  /// Takes in how a source does now, and says so in the log when that is new; nil is well.
  func note(_ source: String, _ trouble: String?, _ log: Log) {
    if let trouble {
      if report(source, trouble) { log.error(trouble) }
    } else if clear(source) {
      log.notice("\(source): works again")
    }
  }

  var response: HTTPResponse {
    let reasons = state.withLock { state in
      (state.isDraining ? ["the server is shutting down"] : [])
        + state.troubles.sorted { $0.key < $1.key }.map(\.value)
    }
    return .json(
      .object([
        "status": .string(reasons.isEmpty ? "ready" : "degraded"),
        "auth": .string(authentication),
        "reasons": .array(reasons.map { .string($0) }),
      ]), status: reasons.isEmpty ? 200 : 503)
  }
}

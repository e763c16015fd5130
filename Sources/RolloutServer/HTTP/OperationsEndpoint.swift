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
    var databaseProblem: String?
  }

  private let state = Mutex(State())
  private let authentication: String

  /// `hasTokens` is false with `auth: off`, which is then shown.
  init(hasTokens: Bool) { authentication = hasTokens ? "tokens" : "off" }

  func startDraining() { state.withLock { $0.isDraining = true } }
  func report(database problem: String?) { state.withLock { $0.databaseProblem = problem } }

  var response: HTTPResponse {
    let state = state.withLock { ($0.isDraining, $0.databaseProblem) }
    var reasons: [Document] = []
    if state.0 { reasons.append(.string("the server is shutting down")) }
    if let problem = state.1 { reasons.append(.string(problem)) }
    return .json(
      .object([
        "status": .string(reasons.isEmpty ? "ready" : "degraded"),
        "auth": .string(authentication),
        "reasons": .array(reasons),
      ]), status: reasons.isEmpty ? 200 : 503)
  }
}

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
  private let isDraining = Atomic<Bool>(false)
  private let authentication: String

  /// `hasTokens` is false with `auth: off`, which is then shown.
  init(hasTokens: Bool) { authentication = hasTokens ? "tokens" : "off" }

  func startDraining() { isDraining.store(true, ordering: .releasing) }

  var response: HTTPResponse {
    let reasons: [Document] =
      isDraining.load(ordering: .acquiring) ? [.string("the server is shutting down")] : []
    return .json(
      .object([
        "status": .string(reasons.isEmpty ? "ready" : "degraded"),
        "auth": .string(authentication),
        "reasons": .array(reasons),
      ]), status: reasons.isEmpty ? 200 : 503)
  }
}

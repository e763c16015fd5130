import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutStore

/// Liveness, readiness and the API's description.
struct OperationsEndpoint: Sendable {
  let readiness: Readiness

  var routes: [Route] {
    [
      Route(
        .get, "/livez", .open, query: .none,
        .inline { $1.send(.json(.object(["status": .string("alive")]))) }),
      Route(
        .get, "/readyz", .open, .inline { [readiness] in $1.send(Self.ready(readiness, $0.view)) }),
      Route(
        .get, "/openapi.json", .open, query: .none,
        .inline {
          $1.send(
            HTTPResponse(status: 200, body: PackageResources.openapi_json, isBodyKept: true))
        }),
    ]
  }

  private static func response(
    _ report: (isReady: Bool, document: Document)
  ) -> HTTPResponse {
    .json(report.document, status: report.isReady ? 200 : 503)
  }

  /// `?strict` may stand alone: people type it.
  private static func ready(_ readiness: Readiness, _ request: RequestView) -> HTTPResponse {
    switch decodedQuery(request.query)?.map({ "\($0.name)=\($0.value)" }) {
    case []: response(readiness.report(isStrict: false))
    case ["strict="], ["strict=1"], ["strict=true"]: response(readiness.report(isStrict: true))
    default:
      Dialect(path: request.path).error(
        Problem(.badRequest, "/readyz takes ?strict, which makes every warning a 503."))
    }
  }
}

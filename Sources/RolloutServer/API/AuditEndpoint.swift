import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore

/// `GET /v1/audit`: who changed what that is no event of a plan, in pages or as a document a line.
struct AuditEndpoint: Sendable {
  /// Records that an export reads at a time.
  private static let portion = 1000

  let store: any AuditStore

  var routes: [Route] {
    [Route(.get, "/v1/audit", .scopes([.view]), .exchange(audit))]
  }

  private func audit(_ request: APIRequest, _ exchange: Exchange) async {
    do {
      let query = try query(request)
      if try isExport(request) {
        try await export(query, request, exchange)
      } else {
        exchange.respond(try await page(query))
      }
    } catch {
      exchange.respond(Dialect.native.error(Problem(error)))
    }
  }

  private func query(_ request: APIRequest) throws -> AuditQuery {
    try request.allowQuery("after", "limit", "since", "type", "actor", "format")
    let type = try request.queryValue("type")
    if let type, AuditRecord.Kind(rawValue: type) == nil {
      let known = AuditRecord.Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw Problem(.badRequest, "\(quoted(type)) is no type; there are: \(known).")
    }
    let since = try request.queryValue("since").map { text throws(Problem) in
      guard let at = Instant(rfc3339: text) else {
        throw Problem(.badRequest, "since must be a time such as 2026-11-27T09:00:00Z.")
      }
      return at
    }
    return AuditQuery(
      before: try request.cursor(), since: since, type: type,
      actor: try request.queryValue("actor"), limit: try request.limit())
  }

  /// Lines for who asks for them, by a parameter or by what it accepts.
  private func isExport(_ request: APIRequest) throws -> Bool {
    switch try request.queryValue("format") {
    case "ndjson": return true
    case "json": return false
    case nil: return request.field("accept")?.contains("application/x-ndjson") ?? false
    default: throw Problem(.badRequest, "format must be json or ndjson.")
    }
  }

  private func page(_ query: AuditQuery) async throws -> HTTPResponse {
    var wider = query
    wider.limit += 1
    let records = try await store.audit(wider)
    let page = records.prefix(query.limit)
    return try .json(
      AuditList(
        audit: page.map(AuditView.init),
        next: records.count > query.limit ? page.last.map { "\($0.id)" } : nil))
  }

  /// All that fits, or as much as `limit` says. What breaks it off is seen by who reads: it has no
  /// proper end.
  private func export(
    _ query: AuditQuery, _ request: APIRequest, _ exchange: Exchange
  ) async throws {
    var left = try request.queryValue("limit") == nil ? Int.max : query.limit
    var query = query
    query.limit = min(left, Self.portion)
    var records = try await store.audit(query)
    exchange.begin(
      status: 200, contentType: "application/x-ndjson",
      headers: [("Content-Disposition", "attachment; filename=\"rollout-audit.ndjson\"")])
    guard request.method != .head else { return exchange.finish() }
    do {
      while let last = records.last {
        try await exchange.write(try Self.lines(records))
        left -= records.count
        guard records.count == query.limit, left > 0 else { break }
        query.before = last.id
        query.limit = min(left, Self.portion)
        records = try await store.audit(query)
      }
      exchange.finish()
    } catch {
      exchange.abort()
    }
  }

  private static func lines(_ records: [AuditRecord]) throws -> [UInt8] {
    try records.flatMap { try WireEncoder.json(AuditView($0)) + [0x0A] }
  }
}

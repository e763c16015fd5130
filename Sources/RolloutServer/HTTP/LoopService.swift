import DocumentKit
import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore

/// What an inline handler gets: the borrowed request and the loop's view of the plans.
struct InlineRequest {
  let view: RequestView
  let route: Route
  let served: ServedSnapshot
  let principal: Principal
  /// Where long work goes; nil where it is being done.
  let door: LongWorkDoor?

  var snapshot: Snapshot { served.snapshot }
  func parameter(_ index: Int) -> ByteView { route.parameter(index, of: view.path) }
}

/// Answers the requests of one event loop: finds the route, checks the token, calls the handler.
final class LoopService: HTTPService {
  /// Bytes of a body that are read in passing.
  private static let smallBodyMax = 128 * 1024

  private let table: RouteTable
  private let box: SnapshotBox
  private let tokens: TokenDirectory?
  private let sessions: SessionDirectory
  private let failures: FailedAuthentications
  private let clock: any ServerClock
  private let metrics: LoopMetrics
  /// Where requests run that wait for others.
  private let executor: any TaskExecutor
  private let door: LongWorkDoor
  /// What bodies hold that have left their loops.
  private let bodyRoom: FairRoom
  private let longReads: LongReads
  private var served: ServedSnapshot
  private var verified = VerifiedTokens()
  /// Whom `admit` let in last.
  private var admitted = Principal.anonymousReader

  /// `tokens` is nil with `auth: off`.
  init(
    table: RouteTable, box: SnapshotBox, tokens: TokenDirectory?, sessions: SessionDirectory,
    failures: FailedAuthentications, clock: any ServerClock, metrics: LoopMetrics,
    executor: any TaskExecutor, door: LongWorkDoor, bodyRoom: FairRoom, longReads: LongReads
  ) {
    self.door = door
    self.bodyRoom = bodyRoom
    self.longReads = longReads
    self.failures = failures
    self.executor = executor
    self.metrics = metrics
    metrics.http.name(table.routes.map(\.pattern))
    self.table = table
    self.box = box
    self.tokens = tokens
    self.sessions = sessions
    self.clock = clock
    served = ServedSnapshot(box.snapshot, after: nil, counting: metrics.evaluations)
  }

  /// Why a request is not served, as its answer.
  private struct Refused: Error {
    var response: HTTPResponse
    var route: Int?
  }

  func admit(_ request: RequestView) -> Admission {
    do throws(Refused) {
      let index = try route(request)
      admitted = try principal(request, for: index)
      try checkQuery(request, index)
      if let coding = request.contentCoding { try checkCoding(request, coding, index) }
      try checkSize(request, table.routes[index], index)
      return .accept(
        bodySizeMax: table.routes[index].bodySizeMax, ticket: index, account: admitted.account,
        isSentAgain: table.routes[index].oversizeIsUnavailable)
    } catch { return .refuse(counted(error)) }
  }

  private func checkQuery(_ request: RequestView, _ route: Int) throws(Refused) {
    guard !request.query.isEmpty, case .none = table.routes[route].query else { return }
    let name = decodedQuery(request.query)?.first?.name
    throw refused(
      request, .badRequest,
      "Unknown query parameter\(name.map { " " + quoted($0) } ?? ""); known here: none.",
      route: route)
  }

  private func checkCoding(
    _ request: RequestView, _ coding: ByteView, _ route: Int
  ) throws(Refused) {
    if ContentCoding(coding) == nil, !coding.equalsIgnoringCase("identity") {
      throw refused(
        request, .unsupportedMediaType, "A body may be coded as gzip or deflate, or not at all.",
        headers: [("Accept-Encoding", ContentCoding.accepted)], route: route)
    }
  }

  /// Where a 413 would be the last word: who sends it gives up after a 4xx.
  private func checkSize(
    _ request: RequestView, _ route: Route, _ index: Int
  ) throws(Refused) {
    guard route.oversizeIsUnavailable, let field = request.field("content-length"),
      let length = Int(String(decoding: field.buffer, as: UTF8.self)), length > route.bodySizeMax
    else { return }
    throw refused(
      request, .unavailable, "At most \(route.bodySizeMax) bytes are taken at once.",
      headers: [("Retry-After", "60")], route: index)
  }

  private func counted(_ refused: Refused) -> HTTPResponse {
    metrics.http.count(refused.route, status: refused.response.status)
    return refused.response
  }

  private func route(_ request: RequestView) throws(Refused) -> Int {
    if tokens == nil, let field = request.foreignField {
      throw refused(
        request, .forbidden,
        "Without tokens (auth: off) only this machine's own pages and programs are served: "
          + "\(field) names another.")
    }
    switch table.match(request.method, request.path) {
    case .route(let index): return index
    case .options(let allow):
      throw Refused(response: HTTPResponse(status: 204, headers: [("Allow", allow)]))
    case .methodNotAllowed(let allow, let others):
      // What needs no token has nothing to hide.
      let isOpen = others.contains { table.routes[$0].isOpen(to: request) }
      guard isOpen || principal(request) != nil else { throw unauthenticated(request) }
      throw refused(
        request, .methodNotAllowed, "Allowed here: \(allow).", headers: [("Allow", allow)])
    case .unknown:
      guard principal(request) != nil else { throw unauthenticated(request) }
      throw refused(
        request, .notFound, "There is no such path; GET /openapi.json lists what there is.")
    }
  }

  /// Who asks, if they may.
  private func principal(_ request: RequestView, for index: Int) throws(Refused) -> Principal {
    let principal = principal(request)
    let route = table.routes[index]
    if principal != nil, request.isUnsafe, tokens != nil, presented(request) == nil,
      !request.isFromOwnPage
    {
      throw refused(
        request, .forbidden,
        "Signed in by cookie, only the dashboard itself may change anything: send X-Rollout: 1 "
          + "from a page of this origin, or a token.", route: index)
    }
    if route.isOpen(to: request) { return principal ?? .anonymousReader }
    guard let principal else { throw unauthenticated(request, index) }
    if let obstacle = route.obstacle(for: principal, request.path) {
      throw refused(request, .forbidden, obstacle, route: index)
    }
    return principal
  }

  private func refused(
    _ request: RequestView, _ code: ProblemCode, _ detail: String,
    headers: [(name: String, value: String)] = [], route: Int? = nil
  ) -> Refused {
    Refused(
      response: Dialect(path: request.path).error(Problem(code, detail), headers: headers),
      route: route)
  }

  /// 401, or 429 where the address has sent too many wrong tokens or cookies.
  private func unauthenticated(_ request: RequestView, _ route: Int? = nil) -> Refused {
    if presented(request) != nil || SessionCookie.secret(in: request) != nil,
      let seconds = failures.note(request.client, now: clock.monotonic)
    {
      return refused(
        request, .rateLimited,
        "Too many wrong tokens came from this address; a right one is served at once. "
          + "Wait \(seconds) s.", headers: [("Retry-After", "\(seconds)")], route: route)
    }
    return refused(
      request, .unauthorized, "Send a valid token as Authorization: Bearer … or X-API-Key.",
      headers: [("WWW-Authenticate", "Bearer")], route: route)
  }

  /// nil when a token is needed and none of ours was sent.
  private func principal(_ request: RequestView) -> Principal? {
    guard let tokens else { return .anonymous }
    if let token = presented(request) { return verified.principal(token, tokens, clock) }
    return SessionCookie.secret(in: request).flatMap(sessions.principal)
  }

  private func presented(_ request: RequestView) -> ByteView? {
    if let field = request.authorization, field.count > 7,
      field[0..<7].equalsIgnoringCase("bearer ")
    {
      return field[7..<field.count].trimmed
    }
    return request.apiKey
  }

  func handle(_ request: RequestView, ticket: Int, isFresh: Bool, _ reply: Reply) {
    let route = table.routes[ticket]
    if box.revision != served.snapshot.revision {
      served = ServedSnapshot(box.snapshot, after: served, counting: metrics.evaluations)
    }
    let principal: Principal
    if isFresh {
      principal = admitted
    } else {
      // The body took its time: the token may have been revoked or expired meanwhile.
      do throws(Refused) { principal = try self.principal(request, for: ticket) } catch {
        reply.send(counted(error))
        return
      }
    }
    switch route.action {
    case .inline(let handler): answer(request, route, principal, ticket, reply, handler)
    case .task(let handler): begin(request, route, principal, ticket, reply, handler)
    case .exchange(let handler):
      let admission = admission(request, route)
      guard let owned = own(request, route, principal, ticket, admission, reply) else { return }
      let exchange = reply.suspend()
      let counters = metrics.http
      // A large body takes long to read, and must not hold up what others stream meanwhile.
      let isSmall = owned.body.count <= Self.smallBodyMax && admission.coding == nil
      let task = Task(executorPreference: isSmall ? executor : nil) {
        await admission(owned, exchange) { request in
          guard principal.isInForce else {
            return exchange.respond(admission.dialect.error(.tokenEnded))
          }
          await handler(request, exchange)
        }
        admission.give(owned.body.count, principal.account)
        counters.count(ticket, status: exchange.status)
      }
      exchange.onDisconnect { task.cancel() }
    }
  }

  private func begin(
    _ request: RequestView, _ route: Route, _ principal: Principal, _ ticket: Int,
    _ reply: Reply, _ handler: @escaping @Sendable (APIRequest) async throws -> HTTPResponse
  ) {
    let account = principal.account
    let long = route.isLong(request) ? longReads : nil
    guard long?.admit(account) ?? true else {
      let refusal = LongReads.refusal(request)
      metrics.http.count(ticket, status: refusal.status)
      reply.send(refusal)
      return
    }
    let admission = admission(request, route)
    guard let owned = own(request, route, principal, ticket, admission, reply) else {
      long?.dismiss(account)
      return
    }
    let exchange = reply.suspend()
    let counters = metrics.http
    Task {
      func answer() async {
        // Whoever has left meanwhile is not worked for.
        guard long == nil || !exchange.isDisconnected else { return }
        await admission(owned, exchange) { request in
          do {
            // Its turn took its time.
            try principal.checkInForce()
            exchange.respond(try await handler(request))
          } catch {
            exchange.respond(admission.dialect.error(Problem(error)))
          }
        }
      }
      if let long { await long.answer(account, answer) } else { await answer() }
      admission.give(owned.body.count, account)
      counters.count(ticket, status: exchange.status)
    }
  }

  private func answer(
    _ request: RequestView, _ route: Route, _ principal: Principal, _ ticket: Int,
    _ reply: Reply, _ handler: @escaping @Sendable (InlineRequest, Reply) -> Void
  ) {
    door.prepare(ticket: ticket)
    let inline = InlineRequest(
      view: request, route: route, served: served, principal: principal, door: door)
    if request.contentCoding.flatMap({ ContentCoding($0) }) != nil, !request.body.isEmpty {
      door.move(inline, reply, to: handler)
    } else {
      handler(inline, reply)
    }
    // What has moved is counted when it is answered. A stream that goes on has said 200.
    guard !door.hasMoved else { return }
    let status = reply.sentStatus == 0 ? reply.suspendedStatus : reply.sentStatus
    metrics.http.count(ticket, status: status == 0 ? 200 : status)
  }

  private func admission(_ request: RequestView, _ route: Route) -> BodyAdmission {
    BodyAdmission(
      room: bodyRoom, coding: request.contentCoding.flatMap { ContentCoding($0) },
      sizeMax: route.bodySizeMax, isSentAgain: route.oversizeIsUnavailable,
      dialect: Dialect(path: request.path))
  }

  /// nil when the request cannot be decoded, or there is no room for its body; it is answered then.
  /// Otherwise its body's bytes are taken of the room.
  private func own(
    _ request: RequestView, _ route: Route, _ principal: Principal, _ ticket: Int,
    _ admission: BodyAdmission, _ reply: Reply
  ) -> APIRequest? {
    var parameters: [String] = []
    for index in route.parameterPositions.indices {
      guard let text = percentDecoded(route.parameter(index, of: request.path)) else {
        reply.send(undecodable(request))
        return nil
      }
      parameters.append(text)
    }
    guard let query = decodedQuery(request.query) else {
      reply.send(undecodable(request))
      return nil
    }
    guard admission.take(request.body.count, principal.account) else {
      let refusal = admission.refusal()
      metrics.http.count(ticket, status: refusal.status)
      reply.send(refusal)
      return nil
    }
    return APIRequest(
      method: request.method, parameters: parameters, query: query, fields: request.headerLines,
      body: request.body.array, principal: principal)
  }

  private func undecodable(_ request: RequestView) -> HTTPResponse {
    Dialect(path: request.path).error(
      Problem(.badRequest, "The path or query is not percent-encoded UTF-8."))
  }
}

extension Principal {
  /// Who asks on an open path without a token.
  fileprivate static let anonymousReader = Principal(
    actor: .anonymous, tokenID: nil, scopes: [], features: nil, expiresAt: nil)
}

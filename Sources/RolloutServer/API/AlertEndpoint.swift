import DigestKit
import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutStore

/// Alerts from outside: read here, judged at the desk.
struct AlertEndpoint: Sendable {
  /// Alerts in one payload, and its bytes. Alertmanager never sends again what is answered 4xx, so
  /// more is answered 503.
  private static let alertsMax = 50_000
  static let bodySizeMax = 32 << 20
  /// Bytes kept of what others write.
  static let nameMax = 200
  static let reasonMax = 500
  static let idMax = 255

  let desk: AlertDesk
  let store: any AlertStore
  let room: AlertRoom
  let clock: any SteadyClock
  let settings: Current<ServerConfiguration>

  /// What generic alerts must be signed with, where the configuration says so.
  private var secret: WebhookSecret? { settings.value.alertSecret }

  var routes: [Route] {
    [
      Route(
        .post, "/v1/alerts/alertmanager", .scopes([.alert]), featureLimit: .respected,
        query: .ignored,
        bodySizeMax: Self.bodySizeMax, oversizeIsUnavailable: true, .task(alertmanager)),
      Route(
        .post, "/v1/alerts", .scopes([.alert]), featureLimit: .respected, query: .none,
        .task(generic)),
      sourceRoute,
      Route(.get, "/v1/alerts", .scopes([.view]), featureLimit: .respected, .task(list)),
    ]
  }

  // MARK: Reading

  /// Alertmanager's payload, version 4. Read leniently: other versions add and omit fields.
  private func alertmanager(_ request: APIRequest) async throws -> HTTPResponse {
    let sender = sender(request)
    if let seconds = room.enter(sender, bytes: request.body.count) {
      return Self.later(
        "This token's alerts take more than its share; send them again in \(seconds) s.", seconds)
    }
    defer { room.leave(sender, bytes: request.body.count) }
    // Nothing is made of the whole: each alert is read by itself.
    let payload = try request.rawObject(valuesMax: .max)
    guard let elements = payload.elements("alerts", atMost: Self.alertsMax) else {
      throw Problem(.badRequest, "This is not an Alertmanager webhook: alerts is missing.")
    }
    guard elements.count <= Self.alertsMax else {
      return Self.later(
        "At most \(Self.alertsMax) alerts are taken at once; set max_alerts.", 60)
    }
    let now = clock.now
    let group = payload["status"]
    let alerts = elements.map { received(payload.bytes[$0], group, now) }
    return try await answer(alerts, request.principal, sender: sender)
  }

  static func later(_ detail: String, _ seconds: Int) -> HTTPResponse {
    Dialect.native.error(
      Problem(.unavailable, detail), headers: [("Retry-After", "\(seconds)")])
  }

  private func sender(_ request: APIRequest) -> String {
    request.principal.tokenID ?? "anonymous"
  }

  /// `group` is the status of the group: an alert that carries none has it.
  private func received(
    _ json: ArraySlice<UInt8>, _ group: Document?, _ now: Instant
  ) -> AlertDesk.Received {
    let document = (try? JSONReader.read(Array(json))) ?? .null
    let labels = document["labels"]
    let name = labels?["alertname"]?.string ?? "unnamed"
    let feature = labels?["feature"]?.string ?? ""
    let word = labels?["rollout_action"]?.string ?? "rollback"
    let action = Alert.Action(rawValue: word)
    let startsText = document["startsAt"]?.string ?? ""
    let starts = Instant(rfc3339: startsText) ?? now
    let print = document["fingerprint"]?.string ?? "\(name)/\(feature)"
    let status = Self.status(document["status"]) ?? Self.status(group) ?? .firing
    let summary = document["annotations"]?["summary"]?.string ?? "alert \(name)"
    let alert = Alert(
      dedupeKey: Self.key("am:\(print):\(startsText)"), name: name.clipped(toBytes: Self.nameMax),
      feature: feature.clipped(toBytes: Self.nameMax), action: action ?? .rollback,
      reason: summary.clipped(toBytes: Self.reasonMax), startsAt: starts, receivedAt: now)
    return AlertDesk.Received(
      id: print.clipped(toBytes: Self.idMax), alert: alert, isResolved: status == .resolved,
      problem: document.isNull
        ? .unreadable
        : action == nil ? .unknownAction : status == .unknown ? .unknownStatus : nil)
  }

  private enum Status {
    case firing
    case resolved
    /// No word of Alertmanager's: it must not act, for it may be over.
    case unknown
  }

  /// nil where nothing is said.
  private static func status(_ value: Document?) -> Status? {
    guard let value, !value.isNull else { return nil }
    switch value.string?.lowercased() {
    case "firing": return .firing
    case "resolved": return .resolved
    default: return .unknown
    }
  }

  /// As it is, or its digest: a key is as long as its sender likes.
  static func key(_ text: String) -> String {
    text.utf8.count <= 2 * idMax
      ? text : "sha256:" + Digest.hexadecimal(Digest.sha256(Array(text.utf8)))
  }

  /// With a configured secret, only what it signed is believed (Standard Webhooks).
  private func checkSignature(_ request: APIRequest) throws(Problem) {
    guard let secret else { return }
    guard let id = request.field("webhook-id"), !id.isEmpty, id.utf8.count <= Self.idMax,
      let timestamp = request.field("webhook-timestamp").flatMap({ Int($0) }),
      let signatures = request.field("webhook-signature")
    else {
      throw Problem(
        .unauthorized,
        "Alerts must be signed here: send webhook-id, webhook-timestamp and webhook-signature.")
    }
    // Our own clock, set wrongly or just set right, is no reason to turn an alert down.
    let nows = clock.wallReadings.map { Int($0.milliseconds / 1000) }
    let isOurs = nows.contains { now in
      secret.verifies(signatures, id: id, timestamp: timestamp, body: request.body, now: now)
    }
    guard isOurs else {
      throw Problem(
        .unauthorized, "The signature does not match, or its timestamp is over 5 minutes off.")
    }
  }

  private func generic(_ request: APIRequest) async throws -> HTTPResponse {
    try checkSignature(request)
    let now = clock.now
    let alert: Alert
    let id: String
    do throws(DocumentError) {
      var reader = try ObjectReader(try JSONReader.read(request.body))
      let feature = try reader.requiredText("feature")
      let action: Alert.Action = try reader.choice("action") ?? .rollback
      let reason = try reader.string("reason") ?? "alert"
      id = try reader.requiredText("id")
      guard !id.isEmpty, id.utf8.count <= Self.idMax, reason.utf8.count <= 2000 else {
        throw reader.error("id", "An id is 1–\(Self.idMax) bytes, a reason at most 2000.")
      }
      try reader.finish()
      alert = Alert(
        dedupeKey: "generic:\(id)", name: "generic",
        feature: feature.clipped(toBytes: Self.nameMax), action: action, reason: reason,
        startsAt: now, receivedAt: now)
    } catch { throw Problem(.badRequest, "\(error)") }
    return try await answer(
      [AlertDesk.Received(id: id, alert: alert)], request.principal, sender: sender(request))
  }

  // MARK: Answering

  func answer(
    _ received: [AlertDesk.Received], _ principal: Principal, sender: String
  ) async throws -> HTTPResponse {
    let results = try await desk.judge(received, from: principal, sender: sender)
    return try .json(
      AlertResults(
        results: results.map { result in
          AlertResult(
            id: result.first.id, feature: result.first.alert.feature,
            action: result.first.alert.action.rawValue, acted: result.why == nil,
            why: result.why?.rawValue,
            durable: result.isDurable ? nil : false, count: result.count == 1 ? nil : result.count)
        }))
  }

  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("after", "limit")
    let limit = try request.limit()
    let alerts = try await store.alerts(
      before: try request.cursor(), limit: limit + 1, features: request.principal.features)
    let page = alerts.prefix(limit)
    let next = alerts.count > limit ? page.last.map { String($0.id) } : nil
    return try .json(AlertList(alerts: page.map(AlertList.Entry.init), next: next))
  }
}

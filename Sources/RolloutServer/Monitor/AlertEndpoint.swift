import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutStore

/// Alerts from outside: recorded first, then acted on at once, each at most once.
struct AlertEndpoint: Sendable {
  private static let alertsMax = 1000

  let controller: PlanController
  let store: any AlertStore
  let clock: any SteadyClock
  let settings: Current<ServerConfiguration>

  /// What generic alerts must be signed with, where the configuration says so.
  private var secret: WebhookSecret? { settings.value.alertSecret }

  var routes: [Route] {
    [
      Route(
        .post, "/v1/alerts/alertmanager", .scopes([.alert]), featureLimit: .respected,
        .task(alertmanager)),
      Route(.post, "/v1/alerts", .scopes([.alert]), featureLimit: .respected, .task(generic)),
      Route(.get, "/v1/alerts", .scopes([.view]), featureLimit: .respected, .task(list)),
    ]
  }

  /// An alert as received, or why it cannot be acted on.
  private struct Received {
    var id: String
    var alert: Alert
    var isResolved = false
    var problem: String?
  }

  // MARK: Reading

  /// Alertmanager's payload, version 4. Read leniently: other versions add and omit fields.
  private func alertmanager(_ request: APIRequest) async throws -> HTTPResponse {
    guard let alerts = try request.json()["alerts"]?.array else {
      throw Problem(.badRequest, "This is not an Alertmanager webhook: alerts is missing.")
    }
    guard alerts.count <= Self.alertsMax else {
      throw Problem(.tooMany, "At most \(Self.alertsMax) alerts in one call; set max_alerts.")
    }
    let now = clock.now
    var results: [AlertResult] = []
    for alert in alerts {
      results.append(try await handle(received(alert, now), request.principal))
    }
    return try .json(AlertResults(results: results))
  }

  private func received(_ document: Document, _ now: Instant) -> Received {
    let labels = document["labels"]
    let name = labels?["alertname"]?.string ?? "unnamed"
    let feature = labels?["feature"]?.string ?? ""
    let word = labels?["rollout_action"]?.string ?? "rollback"
    let action = Alert.Action(rawValue: word)
    let startsText = document["startsAt"]?.string ?? ""
    let starts = Instant(rfc3339: startsText) ?? now
    let print = document["fingerprint"]?.string ?? "\(name)/\(feature)"
    let resolved = document["status"]?.string == "resolved"
    let summary = document["annotations"]?["summary"]?.string ?? "alert \(name)"
    let alert = Alert(
      dedupeKey: "am:\(print):\(startsText)\(resolved ? ":resolved" : "")",
      name: name.clipped(toBytes: 200), feature: feature.clipped(toBytes: 200),
      action: action ?? .rollback, reason: summary.clipped(toBytes: 500), startsAt: starts,
      receivedAt: now)
    return Received(
      id: print, alert: alert, isResolved: resolved,
      problem: action == nil ? "unknown action" : nil)
  }

  /// With a configured secret, only what it signed is believed (Standard Webhooks).
  private func checkSignature(_ request: APIRequest) throws(Problem) {
    guard let secret else { return }
    guard let id = request.field("webhook-id"), !id.isEmpty, id.utf8.count <= 255,
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
      guard !id.isEmpty, id.utf8.count <= 255, reason.utf8.count <= 2000 else {
        throw reader.error("id", "An id is 1–255 bytes, a reason at most 2000.")
      }
      try reader.finish()
      alert = Alert(
        dedupeKey: "generic:\(id)", name: "generic", feature: feature, action: action,
        reason: reason, startsAt: now, receivedAt: now)
    } catch { throw Problem(.badRequest, "\(error)") }
    let result = try await handle(Received(id: id, alert: alert), request.principal)
    return try .json(AlertResults(results: [result]))
  }

  // MARK: Acting

  private func handle(_ received: Received, _ principal: Principal) async throws -> AlertResult {
    let alert = received.alert
    let recording = await record(alert)
    func result(_ acted: Bool, _ why: String?, isDurable: Bool = true) -> AlertResult {
      AlertResult(
        id: received.id, feature: alert.feature, action: alert.action.rawValue, acted: acted,
        why: why, durable: isDurable ? nil : false)
    }
    // Recorded before a crash and never judged: then this repeat is the first chance to act.
    if case .success(let known) = recording, known.isRepeat, known.stored.acted != nil {
      return result(false, "repeat")
    }
    var isDurable = true
    let why: String?
    if received.isResolved {
      why = "resolved"
    } else if let problem = received.problem {
      why = problem
    } else if !principal.may(use: alert.feature) {
      why = "unknown feature"
    } else {
      why = try await act(alert, &isDurable)
    }
    guard case .success(let (stored, _)) = recording else {
      // What only takes away did not wait for the disk. What did nothing is to be sent again.
      if why == nil { return result(true, nil, isDurable: false) }
      _ = try recording.get()
      return result(false, why)
    }
    do { try await store.judge(id: stored.id, acted: why == nil, why: why) } catch {
      guard why == nil else { throw error }
      isDurable = false
    }
    return result(why == nil, why, isDurable: isDurable)
  }

  private func record(
    _ alert: Alert
  ) async -> Result<(stored: StoredAlert, isRepeat: Bool), any Error> {
    do { return .success(try await store.record(alert)) } catch { return .failure(error) }
  }

  /// Carries the alert out; the reason when it does not apply. A change that comes in between is
  /// looked at again.
  private func act(_ alert: Alert, _ isDurable: inout Bool) async throws -> String? {
    for _ in 0..<5 {
      guard let plan = await controller.planIfAny(alert.feature) else { return "unknown feature" }
      guard plan.isServing else { return "not serving" }
      if let entered = plan.stageEnteredAt, !clock.hasStepped(since: entered.steady),
        alert.startsAt < entered.wall
      {
        return "older than the stage"
      }
      let command: Command
      switch alert.action {
      case .kill: command = .kill
      case .pause:
        guard plan.status == .active else { return "held" }
        command = .pause
      case .rollback:
        // One cause often raises several alerts: the cooldown gives the first step back time.
        if let ends = plan.cooldownEnds, clock.steady < ends { return "held" }
        command = .rollback(to: plan.definition.rollbackTarget.commandTarget(plan))
      }
      let context = CommandContext(
        actor: .alert(alert.name), reason: alert.reason, now: clock.moment)
      do {
        let done = try await controller.perform(
          command, on: plan.feature, expecting: plan.version, context)
        isDurable = done.isDurable
        return nil
      } catch is PlanController.Stale { continue }
    }
    throw Problem(.unavailable, "The plan keeps changing; send the alert again.")
  }

  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("after", "limit")
    let limit = try request.limit()
    let alerts = try await store.alerts(
      before: try request.cursor(), limit: limit + 1, features: request.principal.features)
    let page = alerts.prefix(limit)
    let entries = page.map { stored in
      AlertList.Entry(
        id: stored.id, name: stored.alert.name, feature: stored.alert.feature,
        action: stored.alert.action.rawValue, reason: stored.alert.reason,
        startsAt: stored.alert.startsAt.rfc3339, receivedAt: stored.alert.receivedAt.rfc3339,
        acted: stored.acted, why: stored.why)
    }
    let next = alerts.count > limit ? page.last.map { String($0.id) } : nil
    return try .json(AlertList(alerts: entries, next: next))
  }
}

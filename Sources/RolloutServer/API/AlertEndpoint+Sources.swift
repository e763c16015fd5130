import DigestKit
import DocumentKit
import HTTPKit
import HTTPServerKit
import RolloutAPI
import RolloutCore

/// `POST /v1/alerts/{source}`: alerts in the forms that others have.
extension AlertEndpoint {
  /// Alerts of one payload, and its bytes.
  private static let sourceAlertsMax = 1000
  static let sourceBodySizeMax = 4 << 20

  var sourceRoute: Route {
    Route(
      .post, "/v1/alerts/{source}", .scopesUnless({ isSigned($0) }, [.alert]),
      featureLimit: .respected, bodySizeMax: Self.sourceBodySizeMax, oversizeIsUnavailable: true,
      .task(source))
  }

  /// Whether it brings a signature where one is asked for: some vendors can send no token. Whether
  /// it is ours is looked at before anything else.
  private func isSigned(_ request: RequestView) -> Bool {
    let name = request.path.string.split(separator: "/").last.map(String.init) ?? ""
    guard let source = settings.value.alertSources[name], source.secret != nil else {
      return false
    }
    return request.headerLines[source.signature.field] != nil
  }

  private func source(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("feature", "action")
    guard let source = settings.value.alertSources[request.parameters[0]] else {
      let known = settings.value.alertSources.keys.sorted().joined(separator: ", ")
      throw Problem(
        .notFound,
        "There is no source \(quoted(request.parameters[0])); there are alertmanager, \(known), and "
          + "what alerts.sources of rollout.yaml adds.")
    }
    let principal = try principal(of: request, source)
    let sender = principal.tokenID ?? "source:\(source.name)"
    if let seconds = room.enter(sender, bytes: request.body.count) {
      return Self.later(
        "These alerts take more than their share; send them again in \(seconds) s.", seconds)
    }
    defer { room.leave(sender, bytes: request.body.count) }
    let payload = try request.json()
    guard let alerts = source.mapping.alerts(in: payload) else {
      throw Problem(
        .badRequest,
        "There is no list at \(source.mapping.each?.text ?? "$"), which holds what \(source.name) "
          + "sends; see docs/ALERTS.md.")
    }
    guard alerts.count <= Self.sourceAlertsMax else {
      return Self.later("At most \(Self.sourceAlertsMax) alerts are taken at once.", 60)
    }
    let wish = try Wish(request)
    let received = alerts.map { read($0, source, wish) }
    return try await answer(received, principal, sender: sender)
  }

  /// What the address says; it is the administrator's word, and wins over the payload.
  private struct Wish {
    var feature: String?
    var action: Alert.Action?

    init(_ request: APIRequest) throws(Problem) {
      feature = try request.queryValue("feature")
      guard let text = try request.queryValue("action") else { return }
      guard let action = Alert.Action(rawValue: text) else {
        throw Problem(.badRequest, "action is rollback, pause or kill.")
      }
      self.action = action
    }
  }

  /// Who sends it: the token, or the source itself where its signature is all that it has. Throws
  /// where a signature is asked for and does not match.
  private func principal(
    of request: APIRequest, _ source: AlertSource
  ) throws(Problem) -> Principal {
    if source.secret != nil {
      guard let signatures = request.fields[source.signature.field],
        source.verifies(signatures, request.body)
      else {
        throw Problem(
          .unauthorized,
          "The signature does not match: \(source.name) must sign with what secret_env or "
            + "secret_file of alerts.sources.\(source.name) names.")
      }
    }
    if request.principal.may(.alert) { return request.principal }
    return Principal(
      actor: .alert(source.name), tokenID: nil, scopes: [.alert], features: source.features,
      expiresAt: nil)
  }

  private func read(
    _ document: Document, _ source: AlertSource, _ wish: Wish
  ) -> AlertDesk.Received {
    let now = clock.now
    let said = source.mapping.read(document)
    let word = said.action?.lowercased() ?? Alert.Action.rollback.rawValue
    let action = wish.action ?? Alert.Action(rawValue: word)
    // What has no name of its own is known by all that it says.
    let id = said.id ?? Digest.hexadecimal(Digest.sha256(document.json))
    let name = said.name.map { "\(source.name): \($0)" } ?? source.name
    let alert = Alert(
      dedupeKey: Self.key("\(source.name):\(id)"), name: name.clipped(toBytes: Self.nameMax),
      feature: (wish.feature ?? said.feature ?? "").clipped(toBytes: Self.nameMax),
      action: action ?? .rollback,
      reason: (said.reason ?? "alert from \(source.name)").clipped(toBytes: Self.reasonMax),
      startsAt: said.at ?? now, receivedAt: now)
    let problem: AlertPolicy.Inertness? =
      said.state == .other ? .notFiring : action == nil ? .unknownAction : nil
    return AlertDesk.Received(
      id: id.clipped(toBytes: Self.idMax), alert: alert, isResolved: said.state == .resolved,
      problem: problem)
  }
}

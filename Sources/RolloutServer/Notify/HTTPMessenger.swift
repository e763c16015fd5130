import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore

/// Tells webhooks, Slack and PagerDuty through HTTP.
struct HTTPMessenger: Messenger {
  /// Seconds for one delivery.
  private static let timeout = 15.0

  let settings: Current<ServerConfiguration>
  let client: HTTPClient
  let links: ActLinks

  func send(_ message: Message, to receiver: String, at now: Instant) async throws {
    guard let receiver = settings.value.notify.first(where: { $0.name == receiver }) else {
      throw DeliveryFailure(
        reason: "\(receiver) is no longer in the configuration", isFinal: true)
    }
    var call = HTTPCall(
      "POST", receiver.url, headers: [("content-type", "application/json")],
      body: body(message, receiver))
    call.allowsPrivateAddresses = receiver.allowsPrivate
    call.timeouts.total = Self.timeout
    call.timeouts.firstByte = Self.timeout
    call.answerSizeMax = 64 * 1024
    if receiver.kind == .webhook {
      let timestamp = Int(now.milliseconds / 1000)
      call.headers += [("webhook-id", message.id), ("webhook-timestamp", "\(timestamp)")]
      if let secret = receiver.secret {
        let signature = secret.signature(id: message.id, timestamp: timestamp, body: call.body)
        call.headers.append(("webhook-signature", signature))
      }
    }
    let status: Int
    do { status = try await client.execute(call).head.status } catch {
      throw DeliveryFailure(reason: "\(error)")
    }
    // A redirect is a failure: credentials and contents go where the configuration says.
    guard (200..<300).contains(status) else {
      throw DeliveryFailure(reason: "answered \(status)", isFinal: status == 410)
    }
  }

  private func body(_ message: Message, _ receiver: NotifyReceiver) -> [UInt8] {
    switch receiver.kind {
    case .slack: return slack(message).json
    case .pagerduty:
      return PagerDutyEvent(message, url: url(message), asked: asked(message))
        .document(routingKey: receiver.routingKey).json
    case .webhook:
      let data: Document?
      let at: Instant
      switch message {
      case .event(let event):
        data = try? WireEncoder.document(EventView(event))
        at = event.event.at
      case .notice(let notice):
        data = try? WireEncoder.document(NoticeView(notice))
        at = notice.notice.at
      }
      return Document.object([
        "type": .string("rollout.\(message.kind)"), "timestamp": .string(at.rfc3339),
        "data": data ?? .null, "url": url(message).map { .string($0) },
        "links": asked(message).map { link in
          .array([
            .object([
              "action": .string(link.action), "url": .string(link.url),
              "expires_at": .string(link.expiresAt.rfc3339),
            ])
          ])
        },
      ]).json
    }
  }

  /// Where the dashboard shows the plan, as far as the configuration says where that is.
  private func url(_ message: Message) -> String? {
    settings.value.publicURL.map { "\($0)/plans/\(APIPath.segment(message.feature))" }
  }

  /// What the message asks a person for, and the link that leads there.
  private func asked(_ message: Message) -> Asked? {
    guard let base = settings.value.publicURL, let link = ActLink(for: message) else { return nil }
    return Asked(
      action: link.action.rawValue, url: "\(base)/act/\(links.text(link))",
      expiresAt: link.expiresAt)
  }

  /// A link in a message.
  struct Asked {
    var action: String
    var url: String
    var expiresAt: Instant
  }

  private func slack(_ message: Message) -> Document {
    let links = [
      url(message).map { "<\($0)|look>" }, asked(message).map { "<\($0.url)|\($0.action)>" },
    ].compactMap(\.self)
    let more = links.isEmpty ? "" : " (\(links.joined(separator: ", ")))"
    return .object(["text": .string(Self.text(message) + more)])
  }

  /// One line for people: what happened, to what, by whom, why. In Slack's markup.
  static func text(_ message: Message) -> String { text(message, bold: "*", slackEscaped) }

  /// The same without markup.
  static func plainText(_ message: Message) -> String { text(message, bold: "") { $0.onOneLine } }

  private static func text(
    _ message: Message, bold: String, _ escaped: (String) -> String
  ) -> String {
    let feature = bold + message.feature + bold
    let kind = message.kind.replacing("_", with: " ")
    switch message {
    case .event(let stored):
      let event = stored.event
      let move =
        event.from.map {
          $0.stage == event.to.stage ? "" : " from \($0.stage) to \(event.to.stage)"
        }
        ?? ""
      let reason = event.reason.isEmpty ? "" : " — \(escaped(event.reason))"
      return "\(feature) \(kind)\(move) by \(escaped(event.actor.text))\(reason)"
    case .notice(let stored):
      return "\(feature) (\(kind)) \(escaped(stored.notice.sentence))"
    }
  }

  /// Slack takes `&`, `<` and `>` for markup; a reason must not become a link or a mention, nor a
  /// line of its own.
  private static func slackEscaped(_ text: String) -> String {
    text.onOneLine.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(
      ">", with: "&gt;")
  }
}

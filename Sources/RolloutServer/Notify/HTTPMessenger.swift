import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore

/// Tells webhooks and Slack through HTTP.
struct HTTPMessenger: Messenger {
  /// Seconds for one delivery.
  private static let timeout = 15.0

  let settings: Current<ServerConfiguration>
  let client: HTTPClient

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
    case .slack: return Document.object(["text": .string(Self.text(message))]).json
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
        "data": data ?? .null,
      ]).json
    }
  }

  /// One line for people: what happened, to what, by whom, why.
  static func text(_ message: Message) -> String {
    switch message {
    case .event(let stored):
      let event = stored.event
      let kind = event.kind.rawValue.replacing("_", with: " ")
      let move =
        event.from.map {
          $0.stage == event.to.stage ? "" : " from \($0.stage) to \(event.to.stage)"
        }
        ?? ""
      let reason = event.reason.isEmpty ? "" : " — \(slackEscaped(event.reason))"
      return "*\(event.feature)* \(kind)\(move) by \(slackEscaped(event.actor.text))\(reason)"
    case .notice(let stored):
      let notice = stored.notice
      let kind = notice.kind.rawValue.replacing("_", with: " ")
      return "*\(notice.feature)* (\(kind)) \(slackEscaped(notice.sentence))"
    }
  }

  /// Slack takes `&`, `<` and `>` for markup; a reason must not become a link or a mention, nor a
  /// line of its own.
  private static func slackEscaped(_ text: String) -> String {
    text.onOneLine.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(
      ">", with: "&gt;")
  }
}

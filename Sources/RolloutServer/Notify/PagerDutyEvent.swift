import DocumentKit
import RolloutCore

/// What PagerDuty is told of a plan: an incident for as long as somebody should look at it.
///
/// There is one for each feature at a time (`dedup_key`), so that a repeat opens no other.
struct PagerDutyEvent {
  enum Action: String {
    case trigger, resolve
  }

  /// PagerDuty's own bounds, in characters.
  private static let summaryMax = 1024
  private static let dedupKeyMax = 255

  let action: Action
  let feature: String
  private let summary: String
  private let severity: String
  private let at: Instant
  private let details: Document
  private let kind: String
  private let url: String?
  private let asked: HTTPMessenger.Asked?

  /// `url` is where the plan is shown, `asked` what a person is asked for; nil where nobody said
  /// where that is.
  init(_ message: Message, url: String?, asked: HTTPMessenger.Asked?) {
    self.url = url
    self.asked = asked
    feature = message.feature
    kind = message.kind
    switch message {
    case .event(let stored):
      let event = stored.event
      action = NotifyReceiver.incidentTriggers.contains(event.kind) ? .trigger : .resolve
      at = event.at
      summary = HTTPMessenger.plainText(message)
      severity = Self.severity(event)
      details = .object([
        "version": .int(event.version), "actor": .string(event.actor.text),
        "reason": .string(event.reason), "stage": .string(event.to.stage),
        "from_stage": event.from.map { .string($0.stage) },
        "status": .string(event.to.status.rawValue),
      ])
    case .notice(let stored):
      // None is asked for; one that came all the same opens nothing.
      action = .resolve
      at = stored.notice.at
      summary = HTTPMessenger.plainText(message)
      severity = "info"
      details = .object([:])
    }
  }

  /// What a person did is known to one at least.
  private static func severity(_ event: PlanEvent) -> String {
    if event.actor.isPerson { return "warning" }
    return event.kind == .held ? "error" : "critical"
  }

  /// The body of the call.
  func document(routingKey: String) -> Document {
    var document = Document.object([
      "routing_key": .string(routingKey), "event_action": .string(action.rawValue),
      "dedup_key": .string("rollout:\(feature)".clipped(toBytes: Self.dedupKeyMax)),
    ])
    guard action == .trigger else { return document }
    document.set("client", .string("Rollout"))
    if let url { document.set("client_url", .string(url)) }
    if let asked {
      let link = Document.object(["href": .string(asked.url), "text": .string(asked.action)])
      document.set("links", .array([link]))
    }
    document.set(
      "payload",
      .object([
        "summary": .string(String(summary.prefix(Self.summaryMax))),
        "source": .string("rollout"), "severity": .string(severity),
        "timestamp": .string(at.rfc3339), "component": .string(feature),
        "class": .string(kind), "custom_details": details,
      ]))
    return document
  }
}

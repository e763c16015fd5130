import DigestKit
import DocumentKit
import RolloutCore
import RolloutGateway
import RolloutStore

/// Somebody outside who is told what happens: `notify` of `rollout.yaml`.
struct NotifyReceiver: Sendable {
  enum Kind: String, Sendable, CaseIterable {
    /// Standard Webhooks, signed.
    case webhook
    /// Slack's incoming webhooks, and whatever takes their format.
    case slack
    /// PagerDuty's Events API, version 2: an incident for as long as somebody should look.
    case pagerduty
  }

  /// Where PagerDuty takes events, unless an entry says otherwise (its European region does).
  private static let pagerDutyURL = "https://events.pagerduty.com/v2/enqueue"

  var name: String
  var kind: Kind
  var url: String
  /// Of the PagerDuty service that is told; empty for the others.
  var routingKey = ""
  /// Signs webhooks; nil for unsigned ones.
  var secret: WebhookSecret?
  /// Kinds of messages; nil for all but verdicts.
  var kinds: Set<String>?
  /// Whether it may be on this machine or a private network.
  var allowsPrivate = false

  var subscription: Subscription { Subscription(receiver: name, kinds: kinds) }

  /// Kinds of events that open an incident.
  static let incidentTriggers: Set<PlanEvent.Kind> = [.held, .rolledBack, .killed]
  /// Kinds that end it: somebody has looked, the condition is over, or somebody went on.
  static let incidentEnds: Set<PlanEvent.Kind> = [
    .released, .acknowledged, .resumed, .started, .advanced, .restored, .completed, .archived,
  ]

  /// Every kind of message there is.
  static let allKinds =
    PlanEvent.Kind.allCases.map(\.rawValue) + Notice.Kind.allCases.map(\.rawValue)

  init(
    _ item: (element: Document, path: String), index: Int, _ secrets: SecretSource
  ) throws(DocumentError) {
    var reader = try ObjectReader(item.element, path: item.path)
    guard let kind: Kind = try reader.choice("kind") else {
      throw reader.error("kind", "Say what it is: webhook, slack or pagerduty.")
    }
    self.kind = kind
    name = try reader.text("name") ?? "\(kind.rawValue)-\(index + 1)"
    guard isName(name) else { throw reader.error("name", "A name is 1–128 of a–z A–Z 0–9 . _ -") }
    if kind == .pagerduty {
      guard let key = try secrets.read(&reader, "routing_key") else {
        throw reader.error(
          "routing_key_env",
          "Say where the integration key of the PagerDuty service is: routing_key_env or "
            + "routing_key_file.")
      }
      routingKey = key.text
      kinds = Set(Self.incidentTriggers.union(Self.incidentEnds).map(\.rawValue))
    }
    url = try Self.url(&reader, secrets, absent: kind == .pagerduty ? Self.pagerDutyURL : nil)
    allowsPrivate = try reader.bool("allow_private") ?? false
    guard url.hasPrefix("https://") || (url.hasPrefix("http://") && allowsPrivate) else {
      throw reader.error("url", "Expected an https URL (http only with allow_private: true).")
    }
    secret = try secrets.webhookSecret(&reader)
    if let kinds = try reader.texts("events") {
      guard kind != .pagerduty else {
        throw reader.error(
          "events",
          "PagerDuty is told what opens an incident and what ends it; leave events out.")
      }
      if let stranger = kinds.first(where: { !Self.allKinds.contains($0) }) {
        throw reader.error(
          "events",
          "\(quoted(stranger)) is no event; there are: \(Self.allKinds.joined(separator: ", ")).")
      }
      self.kinds = Set(kinds)
    }
    try reader.finish()
  }

  private static func url(
    _ reader: inout ObjectReader, _ secrets: SecretSource, absent: String?
  ) throws(DocumentError) -> String {
    if let url = try reader.text("url") { return url }
    let secret = try secrets.read(&reader, "url")
    if secret == nil, let absent { return absent }
    guard let secret else {
      throw reader.error(
        "url", "Give url, or url_env or url_file with the name of what holds it.")
    }
    return secret.text
  }
}

extension SecretSource {
  /// The key that `secret_env` or `secret_file` names; nil when neither stands there.
  func webhookSecret(_ reader: inout ObjectReader) throws(DocumentError) -> WebhookSecret? {
    guard let found = try read(&reader, "secret") else { return nil }
    guard let secret = WebhookSecret(found.text) else {
      throw reader.error(
        "secret_env", "\(quoted(found.name)) must hold 16 bytes or more, or whsec_ and base64.")
    }
    return secret
  }
}

/// Forms that are known already, by the names under which their alerts are taken.
extension AlertMapping {
  package static let shipped: [String: AlertMapping] = [
    "grafana": grafana, "datadog": datadog, "sentry": sentry, "pagerduty": pagerduty,
    "opsgenie": opsgenie,
  ]

  /// Grafana's webhook contact point, whose alerts have labels as Alertmanager's do.
  private static var grafana: AlertMapping {
    var mapping = AlertMapping()
    mapping.each = DocumentPath("$.alerts")
    mapping.id = paths("$.fingerprint", "$.startsAt")
    mapping.name = paths("$.labels.alertname")
    mapping.feature = paths("$.labels.feature")
    mapping.action = paths("$.labels.rollout_action")
    mapping.status = paths("$.status")
    mapping.reason = paths("$.annotations.summary", "$.annotations.description")
    mapping.at = paths("$.startsAt")
    mapping.firing = ["firing", "alerting"]
    mapping.resolved = ["resolved", "ok"]
    return mapping
  }

  /// Datadog's webhook with the payload that docs/ALERTS.md gives: it has none that is fixed.
  private static var datadog: AlertMapping {
    var mapping = AlertMapping()
    mapping.id = paths("$.id")
    mapping.name = paths("$.title")
    mapping.feature = paths("$.feature", "$.tags#feature", "$.title#feature")
    mapping.action = paths("$.action", "$.tags#rollout_action")
    mapping.status = paths("$.transition")
    mapping.reason = paths("$.title")
    mapping.at = paths("$.date")
    mapping.firing = ["triggered", "re-triggered", "renotify"]
    mapping.resolved = ["recovered"]
    return mapping
  }

  /// Sentry's integration platform: metric alerts, and issue alerts.
  private static var sentry: AlertMapping {
    var mapping = AlertMapping()
    mapping.id = paths("$.data.metric_alert.id", "$.data.event.event_id")
    mapping.name = paths("$.data.metric_alert.alert_rule.name", "$.data.triggered_rule")
    mapping.feature = paths(
      "$.data.event.tags#feature", "$.data.metric_alert.alert_rule.name#feature",
      "$.data.triggered_rule#feature", "$.data.description_title#feature")
    mapping.action = paths(
      "$.data.event.tags#rollout_action", "$.data.metric_alert.alert_rule.name#rollout_action",
      "$.data.triggered_rule#rollout_action")
    mapping.status = paths("$.action")
    mapping.reason = paths("$.data.description_title", "$.data.event.title")
    mapping.at = paths("$.data.metric_alert.date_started", "$.data.event.datetime")
    mapping.firing = ["critical", "triggered"]
    mapping.resolved = ["resolved"]
    return mapping
  }

  /// PagerDuty's webhooks, version 3.
  private static var pagerduty: AlertMapping {
    var mapping = AlertMapping()
    mapping.id = paths("$.event.data.id")
    mapping.name = paths("$.event.data.service.summary")
    mapping.feature = paths("$.event.data.title#feature", "$.event.data.service.summary#feature")
    mapping.action = paths("$.event.data.title#rollout_action")
    mapping.status = paths("$.event.event_type")
    mapping.reason = paths("$.event.data.title")
    mapping.at = paths("$.event.data.created_at")
    mapping.firing = ["incident.triggered"]
    mapping.resolved = ["incident.resolved"]
    return mapping
  }

  /// Opsgenie's webhook integration.
  private static var opsgenie: AlertMapping {
    var mapping = AlertMapping()
    mapping.id = paths("$.alert.alertId")
    mapping.name = paths("$.alert.alias", "$.alert.message")
    mapping.feature = paths(
      "$.alert.details.feature", "$.alert.tags#feature", "$.alert.message#feature")
    mapping.action = paths("$.alert.details.rollout_action", "$.alert.tags#rollout_action")
    mapping.status = paths("$.action")
    mapping.reason = paths("$.alert.message")
    mapping.at = paths("$.alert.createdAt")
    mapping.firing = ["create"]
    mapping.resolved = ["close", "delete"]
    return mapping
  }

  private static func paths(_ texts: String...) -> [DocumentPath] {
    texts.compactMap { DocumentPath($0) }
  }
}

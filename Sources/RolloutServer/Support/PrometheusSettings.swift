import DocumentKit
import RolloutCore
import RolloutGateway

/// Where `prometheus` guards ask: `prometheus` of `rollout.yaml`.
struct PrometheusSettings: Sendable {
  var url: String
  var interval = TimeSpan.seconds(15)
  var bearerToken: String?
}

extension PrometheusSettings {
  init(
    _ reader: inout ObjectReader, _ secrets: SecretSource
  ) throws(DocumentError) {
    url = try reader.requiredText("url")
    while url.hasSuffix("/") { url.removeLast() }
    guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
      throw reader.error("url", "Expected the http or https URL of a Prometheus server.")
    }
    if let text = try reader.text("interval") {
      guard let span = TimeSpan(text), span >= .seconds(1), span <= .minutes(2) else {
        throw reader.error(
          "interval", TimeSpan.refusal(of: text, "Expected a duration from 1s to 2m."))
      }
      interval = span
    }
    bearerToken = try secrets.read(&reader, "bearer_token")?.text
    try reader.finish()
  }
}

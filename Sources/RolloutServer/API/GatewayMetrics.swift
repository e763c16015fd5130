import RolloutGateway

/// What `/metrics` says of calls to providers.
struct GatewayMetrics: Sendable {
  let ai: AIMetrics
  let gateway: Current<Gateway>
  let cache: AnswerCache

  func write(_ writer: inout MetricsWriter) {
    writeCalls(&writer)
    writeGates(&writer)
    let backlog = cache.backlog
    writer.metric(
      "rollout_cache_unsaved_bytes", "gauge", "Cached answers that wait to be written to disk.")
    writer.sample("rollout_cache_unsaved_bytes", [:], backlog.bytes)
    writer.metric(
      "rollout_cache_unsaved_dropped_total", "counter",
      "Cached answers that were kept in memory only, because too many waited.")
    writer.sample("rollout_cache_unsaved_dropped_total", [:], backlog.dropped)
  }

  private func writeCalls(_ writer: inout MetricsWriter) {
    let numbers = ai.current
    func labels(_ key: AIMetrics.Key) -> [(name: String, value: String)] {
      var labels = [
        (name: "gen_ai_operation_name", value: "chat"),
        (name: "gen_ai_provider_name", value: key.provider),
        (name: "gen_ai_request_model", value: key.model),
      ]
      if !key.error.isEmpty { labels.append(("error_type", key.error)) }
      return labels
    }
    writer.metric(
      "gen_ai_client_operation_duration_seconds", "histogram", "Calls to providers.")
    for (key, histogram) in numbers.durations.sorted(by: { $0.key < $1.key }) {
      writer.histogram("gen_ai_client_operation_duration_seconds", labels(key), histogram)
    }
    writer.metric(
      "gen_ai_client_operation_time_to_first_chunk_seconds", "histogram",
      "From the call to the first content of a stream.")
    for (key, histogram) in numbers.firstChunks.sorted(by: { $0.key < $1.key }) {
      writer.histogram(
        "gen_ai_client_operation_time_to_first_chunk_seconds", labels(key), histogram)
    }
    writer.metric("gen_ai_client_token_usage", "histogram", "Tokens of a call, by type.")
    for (type, part) in [("input", \TokenUse.input), ("output", \TokenUse.output)] {
      for (key, use) in numbers.tokens.sorted(by: { $0.key < $1.key }) {
        let histogram = use[keyPath: part]
        writer.histogram(
          "gen_ai_client_token_usage", labels(key) + [("gen_ai_token_type", type)],
          bounds: TokenHistogram.bounds.map(String.init), counts: histogram.counts,
          sum: String(histogram.sum), count: histogram.count)
      }
    }
  }

  private func writeGates(_ writer: inout MetricsWriter) {
    let gates = gateway.value.gateStatuses().sorted { $0.key < $1.key }
    writer.metric("rollout_provider_in_flight", "gauge", "Calls under way, by provider.")
    for (name, gate) in gates {
      writer.sample("rollout_provider_in_flight", ["provider": name], gate.inFlight)
    }
    writer.metric(
      "rollout_provider_key_up", "gauge", "0 while a provider refuses the key, by its variable.")
    for (name, gate) in gates {
      for key in gate.keys {
        let isUp = key.state == .ok || key.state == .limited
        writer.sample(
          "rollout_provider_key_up", ["provider": name, "key": key.name], isUp ? 1 : 0)
      }
    }
    writer.metric("rollout_queue_length", "gauge", "Requests waiting for room, by provider.")
    for (name, gate) in gates {
      writer.sample("rollout_queue_length", ["provider": name], gate.queued)
    }
    writer.metric(
      "rollout_limited_total", "counter", "Requests turned away, by limit; providers' by provider.")
    for (limit, count) in ai.current.limited.sorted(by: { $0.key < $1.key }) {
      writer.sample("rollout_limited_total", ["limit": limit, "provider": ""], count)
    }
    for (name, gate) in gates {
      for (limit, count) in gate.rejected.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        writer.sample(
          "rollout_limited_total", ["limit": limit.rawValue, "provider": name], count)
      }
    }
  }
}

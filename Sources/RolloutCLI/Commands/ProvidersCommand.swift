import DocumentKit
import RolloutAPI

/// `rollout providers`
enum ProvidersCommand {
  static let command = Subcommand(
    "providers", [], "AI providers and how they do",
    examples: ["rollout providers"]
  ) { session in
    let answer = try await session.send("GET", "/v1/providers")
    let list = try session.decode(ProviderList.self, answer)
    try session.show(answer) {
      let table = session.terminal.table(
        [
          "PROVIDER", "KIND", "MODEL", "BREAKER", "NOW", "QUEUED", "ASKED", "FAILED", "P50", "P95",
        ],
        list.providers.flatMap(rows))
      // One key that does its work needs no words.
      let keyed = list.providers.filter { provider in
        provider.keys.count > 1 || provider.keys.contains { $0.state != "ok" }
      }
      guard !keyed.isEmpty else { return table }
      let keys = session.terminal.table(
        ["PROVIDER", "KEY", "STATE", "NOW", "ASKED"], keyed.flatMap(keyRows))
      return "\(table)\n\(keys)"
    }
  }

  private static func keyRows(_ provider: ProviderList.Entry) -> [[String]] {
    provider.keys.map { key in
      [
        provider.name, key.name, key.state.replacing("_", with: " "), "\(key.inFlight)",
        "\(key.requests)",
      ]
    }
  }

  private static func rows(_ provider: ProviderList.Entry) -> [[String]] {
    guard !provider.models.isEmpty else {
      return [[provider.name, provider.kind, "", "", "0", "\(provider.queued)", "0", "0", "", ""]]
    }
    return provider.models.map { model in
      [
        provider.name, provider.kind, model.model, model.breaker.replacing("_", with: " "),
        "\(model.inFlight)", "\(provider.queued)", "\(model.requests)", "\(model.failures)",
        time(model.latencyMsP50),
        time(model.latencyMsP95),
      ]
    }
  }

  private static func time(_ milliseconds: Double?) -> String {
    milliseconds.map(Words.roughly) ?? ""
  }
}

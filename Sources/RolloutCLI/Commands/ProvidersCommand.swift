import RolloutAPI

/// `rollout providers`
enum ProvidersCommand {
  static let command = Command("providers", [], "AI providers and how they do") { session in
    let answer = try await session.send("GET", "/v1/providers")
    let list = try session.decode(ProviderList.self, answer)
    try session.show(answer) {
      session.terminal.table(
        ["PROVIDER", "KIND", "IN FLIGHT", "REQUESTS", "FAILURES"],
        list.providers.map {
          [$0.name, $0.kind, "\($0.inFlight)", "\($0.requests)", "\($0.failures)"]
        })
    }
  }
}

package import RolloutCore

extension Gateway {
  /// How a neutral question went.
  package struct ProbeAnswer: Sendable, Equatable {
    /// nil when it was answered.
    package var failure: ProviderFailure?
    package var usage: Usage?
    /// Nil where the provider did not say what was used.
    package var cost: Money?
  }

  /// Seconds that one neutral question may take where a route says nothing of first content.
  private static let probeSecondsMax = 5.0

  /// Whether a target may be asked a neutral question.
  package func mayProbe(_ target: ProviderModel) -> Bool {
    configuration.providers[target.provider]?.isProbed == true
  }

  /// What a neutral question may cost at most.
  package func probeBound(_ target: ProviderModel) -> Bound {
    let asked = GatewayConfiguration.Target(provider: target.provider, model: target.model)
    return bound(of: .neutral, route: .init(name: "", targets: [asked]))
  }

  /// Asks a target a fixed question of one line for one token of answer, whatever its breaker says:
  /// does it answer at all? nil when there is no room to ask.
  package func probe(_ target: ProviderModel) async -> ProbeAnswer? {
    guard let provider = providers[target.provider], let gate = gates[target.provider] else {
      return nil
    }
    let known = configuration.routes.values.flatMap(\.targets).first {
      $0.provider == target.provider && $0.model == target.model
    }
    // Without the route's own parameters: they may be what is wrong.
    var asked = GatewayConfiguration.Target(provider: target.provider, model: target.model)
    asked.connect = known?.connect ?? asked.connect
    let seconds = min(known?.firstContent?.seconds ?? Self.probeSecondsMax, Self.probeSecondsMax)
    let caller = Caller(user: "probe")
    guard let permit = try? gate.enterAtOnce(caller, tokens: 16) else { return nil }
    let attempt = Attempt(
      request: .neutral, target: asked, seconds: seconds, key: permit.key, hear: permit.learn,
      wall: clock.now.milliseconds)
    do {
      let answer = try await provider.complete(attempt)
      permit.note(nil)
      permit.leave(usedTokens: answer.usage?.tokens)
      return ProbeAnswer(
        usage: answer.usage, cost: cost(of: answer.usage, model: target.model))
    } catch {
      let failure = error as? ProviderFailure ?? .cancelled
      permit.note(failure)
      permit.leave(usedTokens: failure.mayHaveCost ? nil : 0)
      return ProbeAnswer(failure: failure, cost: failure.mayHaveCost ? nil : .zero)
    }
  }
}

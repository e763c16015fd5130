import RolloutCore
import RolloutGateway

/// Works out every few seconds what the next stage of each running plan would cost and ask of its
/// provider, for the gate before an advance and for people.
struct CapacityWatch: Sendable {
  static let interval = TimeSpan.seconds(2)

  let ledger: OutcomeLedger
  let current: Current<Gateway>
  let budgets: BudgetAccounts
  let clock: any SteadyClock
  let log: Log
  /// Decisions by feature.
  let evaluations: @Sendable () -> [String: (enabled: Int, disabled: Int)]

  private var gateway: Gateway { current.value }

  func look() async {
    do { try await project() } catch {
      log.error("the next stages could not be projected", ["error": "\(error)"])
    }
  }

  private func project() async throws {
    let now = clock.now
    let rates = ledger.usageRates(now: clock.steady)
    guard !rates.isEmpty else { return }
    let spent = try await budgets.balances()
    let shares = evaluations()
    for (plan, rate) in rates {
      guard let next = plan.nextStage, let growth = growth(plan, shares[plan.feature]) else {
        ledger.project(plan.feature, nil)
        continue
      }
      let others = rates.filter { $0.plan.feature != plan.feature }
      ledger.project(
        plan.feature,
        Projection(
          stage: next.name, growth: growth, rate: rate, budgets: uses(plan, others, spent),
          quota: quota(plan, others), at: now))
    }
  }

  /// How many times as many users the next stage serves. A stage that is a list has no percentage:
  /// then the share of decisions that were yes stands for it.
  private func growth(_ plan: Plan, _ decisions: (enabled: Int, disabled: Int)?) -> Double? {
    var after = plan
    after.stageIndex += 1
    let then = Double(Exposure.servedShare(after)) / 100_000
    var now = Double(Exposure.servedShare(plan)) / 100_000
    if now == 0, let decisions, decisions.enabled > 0 {
      now = Double(decisions.enabled) / Double(decisions.enabled + decisions.disabled)
    }
    guard now > 0 else { return nil }
    return max(1, then / now)
  }

  private func provider(_ plan: Plan) -> String? {
    plan.definition.route.flatMap { gateway.configuration.routes[$0] }?.targets.first?.provider
  }

  private func uses(
    _ plan: Plan, _ others: [(plan: Plan, rate: UsageRate)], _ balances: [BudgetBalance]
  ) -> [Projection.BudgetUse] {
    let now = clock.now
    return gateway.configuration.budgets.compactMap { budget in
      let account = budget.commonAccount(of: plan.feature, provider: provider(plan), at: now)
      guard let account else { return nil }
      let sharing = others.filter {
        budget.commonAccount(of: $0.plan.feature, provider: provider($0.plan), at: now) == account
      }
      let balance = balances.first { $0.account == account }
      return Projection.BudgetUse(
        budget: budget, spent: (balance?.spent ?? .zero).adding(balance?.reserved ?? .zero),
        othersPerHour: sharing.reduce(0) { $0 + $1.rate.dollarsPerHour })
    }
  }

  private func quota(
    _ plan: Plan, _ others: [(plan: Plan, rate: UsageRate)]
  ) -> Projection.Quota? {
    guard let name = provider(plan), let gate = gateway.gateStatuses()[name] else { return nil }
    let sharing = others.filter { provider($0.plan) == name }
    return Projection.Quota(
      provider: name, requestsPerMinute: gate.requestsPerMinute,
      tokensPerMinute: gate.tokensPerMinute,
      others: sharing.reduce(UsageRate()) { $0 + $1.rate })
  }
}

import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutGateway
import RolloutStore

/// `GET /v1/budgets`.
struct BudgetEndpoint: Sendable {
  let accounts: BudgetAccounts
  let log: Log
  let trail: AuditTrail

  private var budgets: [Budget] { accounts.budgets }

  var routes: [Route] {
    [
      Route(.get, "/v1/budgets", .scopes([.view]), featureLimit: .respected, .task(list)),
      Route(.post, "/v1/budgets/accept", .scopes([.operate]), .task(accept)),
    ]
  }

  /// A person's word that budgets may be spent from although what was spent is not known.
  private func accept(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let body = try request.json()
    let name: String?
    let reason: String
    do throws(DocumentError) {
      var reader = try ObjectReader(body)
      name = try reader.text("name")
      reason = try reader.string("reason") ?? ""
      try reader.finish()
    } catch { throw Problem(.badRequest, "\(error)") }
    guard !reason.allSatisfy(\.isWhitespace), reason.utf8.count <= 2000 else {
      throw Problem(
        .reasonRequired, "Say in 1–2000 bytes why it is safe to spend on; it is recorded.")
    }
    if let name, !budgets.contains(where: { $0.name == name }) {
      let known = budgets.map(\.name).joined(separator: ", ")
      throw Problem(.notFound, "There is no budget \(quoted(name)); there are: \(known).")
    }
    guard accounts.losses.loss != nil else {
      throw Problem(.invalidTransition, "No spending was lost; there is nothing to accept.")
    }
    let actor = request.principal.actor
    try await accounts.losses.accept(name, actor: actor, reason: reason, at: accounts.clock.now)
    log.notice(
      "lost spending was accepted",
      ["budget": name ?? "all", "actor": actor.text, "reason": reason])
    await trail.note(
      AuditRecord(
        .budgetAccepted, by: actor, target: name ?? "", reason: reason, at: accounts.clock.now))
    return try .json(await everything())
  }

  /// Every budget, and what became of spending that was lost.
  private func everything() async throws -> BudgetList {
    var list = BudgetList(budgets: try await accounts.standings().map(BudgetView.init))
    list.lost = accounts.losses.loss?.why
    list.accepted = try await accounts.losses.acceptances().map {
      BudgetList.Acceptance(
        name: $0.budget, at: $0.at.rfc3339, actor: $0.actor.text, reason: $0.reason)
    }
    return list
  }

  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    guard let limit = request.principal.features else { return try .json(await everything()) }
    let standings = try await accounts.standings().filter { isAbout($0, limit) }
    return try .json(BudgetList(budgets: standings.map(BudgetView.init)))
  }

  /// Whether an account is about some of these features and no other.
  private func isAbout(_ standing: BudgetStanding, _ features: Set<String>) -> Bool {
    if let feature = standing.budget.feature { return features.contains(feature) }
    return standing.budget.division == .feature
      && features.contains(standing.balance.account.scope)
  }
}

import DocumentKit
import RolloutAPI

/// `rollout plan list`
enum ListCommand {
  static let command = Subcommand(
    "plan list", [], "all plans, a line each, those that need somebody first",
    examples: ["rollout plan list", "rollout plan list -o json | jq '.plans[].feature'"], run: run)

  private static func run(_ session: Session) async throws {
    guard !session.printsJSON else { return try await session.showAll("plans", APIPath.plans) }
    let page = try await load(session)
    guard !page.entries.isEmpty else {
      session.terminal.note("There are no plans yet. Apply one: rollout plan apply -f FILE")
      return
    }
    session.terminal.print(page.lines(session.terminal).joined(separator: "\n"))
  }

  /// All plans, and how they do.
  static func load(_ session: Session) async throws -> ListPage {
    var plans: [PlanView] = []
    try await session.pages(PlanList.self, APIPath.plans) { page, _ in
      plans += page.plans
      return page.next.value
    }
    // Without them the list says less; an older server has none.
    let figures = plans.isEmpty ? nil : try? await overview(session)
    var stopped: [String: Pause] = [:]
    for plan in plans where plan.status == "paused" {
      guard let pause = await Pause.last(plan, session), !pause.isByPerson else { continue }
      stopped[plan.feature] = pause
    }
    return ListPage(plans, figures: figures, stopped: stopped)
  }

  private static func overview(_ session: Session) async throws -> [String: OverviewView.Row] {
    var rows: [String: OverviewView.Row] = [:]
    try await session.pages(OverviewView.self, "/v1/overview") { page, _ in
      for row in page.plans { rows[row.feature] = row }
      return page.next.value
    }
    return rows
  }
}

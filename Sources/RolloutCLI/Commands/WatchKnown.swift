import DocumentKit
import HTTPKit
import PlatformKit
import RolloutAPI

/// Everything that a watch shows of one feature, as it was at one moment.
struct WatchKnown: Sendable {
  var plan: PlanView
  var health: HealthView
  var series: SeriesView
  /// Newest first.
  var events: [EventView]
  /// What failed around its hold; nil without one.
  var failures: FailureList?
  /// Who used it in the last ten minutes, about; nil where nobody says.
  var users: Int?

  static func load(_ feature: String, hours: Int, _ session: Session) async throws -> WatchKnown {
    let plan = try await session.get(PlanView.self, APIPath.plan(feature))
    async let health = session.get(HealthView.self, APIPath.health(feature))
    async let series = session.get(
      SeriesView.self, APIPath.series(feature) + APIPath.query([("from", "\(hours)h")]))
    async let events = session.get(
      EventList.self, APIPath.events(feature) + APIPath.query([("limit", "100")]))
    let failures = await failures(plan, session)
    let users = await users(feature, session)
    return try await WatchKnown(
      plan: plan, health: health, series: series, events: events.events, failures: failures,
      users: users)
  }

  private static func failures(_ plan: PlanView, _ session: Session) async -> FailureList? {
    guard let hold = plan.hold.value, let window = WhyCommand.window(around: hold.since) else {
      return nil
    }
    return try? await session.get(FailureList.self, APIPath.failures(plan.feature) + window)
  }

  private static func users(_ feature: String, _ session: Session) async -> Int? {
    let query = APIPath.query([("filter", feature)])
    let page = try? await session.get(OverviewView.self, "/v1/overview" + query)
    return page?.plans.first { $0.feature == feature }?.now.users.value
  }
}

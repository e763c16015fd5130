import RolloutAPI

/// Who paused a plan, when and why.
struct Pause {
  var actor: String
  var at: String
  var reason: String

  var isByPerson: Bool { Words.isPerson(actor) }

  /// Who did it, where it was no person.
  var culprit: String { actor.hasPrefix("alert") ? "an alert" : "its guard" }

  /// The last one of a plan; nil where its history cannot be told, since the rest can be shown
  /// without it.
  static func last(_ plan: PlanView, _ session: Session) async -> Pause? {
    let path = APIPath.events(plan.feature) + APIPath.query([("limit", "100")])
    guard let list = try? await session.get(EventList.self, path),
      let event = list.events.first(where: { $0.type == "paused" })
    else { return nil }
    return Pause(actor: event.actor, at: event.at, reason: event.reason)
  }
}

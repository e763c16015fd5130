import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore

/// `GET /v1/links/{link}`: what a link of a message is about, and whether it is good still. It does
/// nothing; what it leads to is a command like any other.
struct ActEndpoint: Sendable {
  let links: ActLinks
  let controller: PlanController
  let clock: any WallClock

  var routes: [Route] {
    [Route(.get, "/v1/links/{link}", .scopes([.view]), featureLimit: .respected, .task(show))]
  }

  private func show(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    guard let link = links.read(request.parameters[0]) else {
      throw Problem(
        .notFound,
        "This link is none of this server's: it may be cut off, or the key it was signed with is "
          + "gone. Open the plan from the list instead.")
    }
    guard request.principal.may(use: link.feature) else {
      throw Problem(.forbidden, "The token is limited to other features.")
    }
    let plan = try await controller.plan(link.feature)
    let obstacle = obstacle(link, plan, request.principal.actor)
    return try .json(
      ActLinkView(
        action: link.action.rawValue, feature: link.feature, stage: link.stage,
        version: link.version, expiresAt: link.expiresAt.rfc3339, sentence: sentence(link, plan),
        usable: obstacle == nil, why: obstacle))
  }

  /// What following it does, for people.
  private func sentence(_ link: ActLink, _ plan: Plan) -> String {
    switch link.action {
    case .approve:
      "You approve that \(link.feature) goes on to the stage \(link.stage), as its plan stands at "
        + "version \(link.version). Another person takes the step."
    case .acknowledge:
      "You say that you have looked at why \(link.feature) is held at \(link.stage)"
        + (plan.version == link.version ? plan.hold.map { " (\($0.reason))" } ?? "" : "")
        + ". It may go on once its cooldown is over."
    }
  }

  /// Why it leads nowhere any more; nil while it does.
  private func obstacle(_ link: ActLink, _ plan: Plan, _ actor: Actor) -> String? {
    if plan.version != link.version {
      return "The plan has changed since: it is at version \(plan.version), and this link is about "
        + "version \(link.version). A link is good for one use, and for one version."
    }
    if clock.now >= link.expiresAt {
      return "This link ended after \(ActLinks.lifetime.text); open the plan instead."
    }
    switch link.action {
    case .acknowledge where plan.hold?.needsAcknowledgement != true:
      return "The plan is not held any more; there is nothing to acknowledge."
    case .approve, .acknowledge: return nil
    }
  }
}

import DocumentKit
import RolloutCore

/// What a link is about.
struct ActLink: Sendable, Equatable {
  enum Action: String, Sendable, CaseIterable {
    case approve, acknowledge
  }

  var action: Action
  var feature: String
  /// The stage that is approved, or that the plan is held at.
  var stage: String
  /// It is void once the plan is at another.
  var version: Int
  var expiresAt: Instant

  init(_ action: Action, _ feature: String, stage: String, version: Int, expiresAt: Instant) {
    self.action = action
    self.feature = feature
    self.stage = stage
    self.version = version
    self.expiresAt = expiresAt
  }

  /// What a message asks a person for; nil for messages that ask for nothing.
  init?(for message: Message) {
    switch message {
    case .event(let stored):
      let event = stored.event
      // What a person rolled back nobody must look at, and other holds end by themselves.
      guard event.kind == .rolledBack, !event.actor.isPerson, event.to.status == .active else {
        return nil
      }
      self.init(
        .acknowledge, event.feature, stage: event.to.stage, version: event.version,
        expiresAt: event.at + ActLinks.lifetime)
    case .notice(let stored):
      let notice = stored.notice
      guard notice.kind == .approval, let stage = notice.evidence?["stage"]?.string else {
        return nil
      }
      self.init(
        .approve, notice.feature, stage: stage, version: notice.planVersion,
        expiresAt: notice.at + ActLinks.lifetime)
    }
  }

  init?(_ document: Document) {
    guard let action = document["a"]?.string.flatMap(Action.init),
      let feature = document["f"]?.string, let stage = document["s"]?.string,
      let version = document["v"]?.int, let expires = document["x"]?.int
    else { return nil }
    self.init(
      action, feature, stage: stage, version: version,
      expiresAt: Instant(milliseconds: Int64(expires)))
  }

  var document: Document {
    .object([
      "a": .string(action.rawValue), "f": .string(feature), "s": .string(stage),
      "v": .int(version), "x": .int(expiresAt.milliseconds),
    ])
  }
}

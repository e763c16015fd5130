package import DocumentKit
package import RolloutCore

/// Something people should hear of that changed no plan.
package struct NoticeView: Codable, Sendable, Equatable {
  package var id: String
  package var feature: String
  package var at: String
  package var planVersion: Int
  package var type: String
  package var actor: String
  package var reason: String
  package var evidence: Document?

  package init(_ stored: StoredNotice) {
    let notice = stored.notice
    id = "\(stored.afterEvent).\(stored.id)"
    feature = notice.feature
    at = notice.at.rfc3339
    planVersion = notice.planVersion
    type = notice.kind.rawValue
    actor = Actor.monitor.text
    reason = notice.sentence
    evidence = notice.evidence
  }
}

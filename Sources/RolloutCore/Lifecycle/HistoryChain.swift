import DocumentKit

/// The chain that the history of plans is: the hash of each event covers the event and the hash
/// before it, so that none can be changed, left out or put in without all that follow showing it.
package enum HistoryChain {
  /// What the hash of an event is taken of: the hash before it, empty for the first, and every
  /// field with its length, so that none can be shifted into its neighbour.
  package static func link(_ event: PlanEvent, after previous: [UInt8]) -> [UInt8] {
    let fields = [
      event.feature, String(event.version), String(event.at.milliseconds), event.kind.rawValue,
      event.actor.text, event.reason, event.from?.stage ?? "", event.from?.status.rawValue ?? "",
      event.to.stage, event.to.status.rawValue, event.evidence?.jsonText ?? "",
    ]
    return fields.reduce(into: previous) { $0 += "\($1.utf8.count):\($1)".utf8 }
  }
}

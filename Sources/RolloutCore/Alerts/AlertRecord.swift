/// What became of alerts: of one that acted or was resolved, or of all that were turned down alike.
package struct AlertRecord: Sendable, Equatable {
  package enum State: String, Sendable {
    /// Final, whoever sends it again.
    case acted
    /// Final for the token that said so.
    case resolved
    /// Judged again when it comes again.
    case inert
  }

  /// 0 until it is kept.
  package var id = 0
  package var state: State
  /// The last one.
  package var alert: Alert
  /// The token it came with.
  package var sender: String
  /// In the words of `AlertPolicy.Inertness`, or of another edition; nil when it acted.
  package var why: String?
  package var count: Int
  package var lastReceivedAt: Instant

  package init(
    _ state: State, _ alert: Alert, sender: String, why: AlertPolicy.Inertness? = nil,
    count: Int = 1
  ) {
    self.state = state
    self.alert = alert
    self.sender = sender
    self.why = why?.rawValue
    self.count = count
    lastReceivedAt = alert.receivedAt
  }

  /// Inert ones with the same are kept as one. Names of features that nobody knows are anybody's to
  /// invent, so they are folded together.
  package var fold: String {
    guard state == .inert else { return "" }
    let why = why ?? ""
    return why == AlertPolicy.Inertness.unknownFeature.rawValue
      ? why : "\(alert.feature) \(alert.action.rawValue) \(why) \(alert.name)"
  }
}

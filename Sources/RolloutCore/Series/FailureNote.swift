/// What is known of one request that failed its user, or left them with a text instead of an
/// answer. No prompt, no answer, no user.
package struct FailureNote: Sendable, Equatable {
  /// One word: the gateway's, or what the app reported; at most 64 bytes.
  package var kind: String
  /// The target that was asked last; nil for what an app reported, and where none was asked.
  package var target: ProviderModel?
  /// Of the AI path, or the id that the app gave.
  package var requestID: String?
  /// What the provider answered with; nil where it answered nothing.
  package var status: Int?

  package init(
    kind: String, target: ProviderModel? = nil, requestID: String? = nil, status: Int? = nil
  ) {
    self.kind = kind
    self.target = target
    self.requestID = requestID
    self.status = status
  }
}

/// Failures of one kind in one span of time.
package struct FailureKey: Sendable, Hashable {
  package var step: SeriesStep
  /// The beginning of the span.
  package var at: Instant
  package var arm: Outcome.Arm
  package var kind: String
  package var target: ProviderModel?

  package init(
    step: SeriesStep, at: Instant, arm: Outcome.Arm, kind: String, target: ProviderModel?
  ) {
    self.step = step
    self.at = at
    self.arm = arm
    self.kind = kind
    self.target = target
  }
}

/// One failure, for whoever wants to look it up in their own logs.
package struct RecentFailure: Sendable, Equatable {
  package var at: Instant
  package var arm: Outcome.Arm
  package var note: FailureNote
  /// Milliseconds; nil when nobody said.
  package var latency: Int?

  package init(at: Instant, arm: Outcome.Arm, note: FailureNote, latency: Int?) {
    self.at = at
    self.arm = arm
    self.note = note
    self.latency = latency
  }
}

package import DocumentKit

/// What failed, and where.
package struct FailureList: Codable, Sendable {
  /// Failures of one kind in one step of time.
  package struct Entry: Codable, Sendable, Equatable {
    package var at: String
    package var arm: String
    package var kind: String
    package var provider: Nullable<String>
    package var model: Nullable<String>
    /// Of a declared segment; null, since outcomes carry none yet.
    package var segment: Nullable<String>
    package var count: Int

    init(
      at: String, arm: String, kind: String, provider: String?, model: String?, count: Int
    ) {
      self.at = at
      self.arm = arm
      self.kind = kind
      self.provider = Nullable(provider)
      self.model = Nullable(model)
      segment = Nullable(nil)
      self.count = count
    }
  }

  /// One failure.
  package struct Recent: Codable, Sendable, Equatable {
    package var at: String
    package var requestId: Nullable<String>
    package var arm: String
    package var kind: String
    package var provider: Nullable<String>
    package var model: Nullable<String>
    package var status: Nullable<Int>
    package var latencyMs: Nullable<Int>

    init(
      at: String, requestID: String?, arm: String, kind: String, provider: String?,
      model: String?, status: Int?, latencyMs: Int?
    ) {
      self.at = at
      requestId = Nullable(requestID)
      self.arm = arm
      self.kind = kind
      self.provider = Nullable(provider)
      self.model = Nullable(model)
      self.status = Nullable(status)
      self.latencyMs = Nullable(latencyMs)
    }
  }

  package var from: String
  package var to: String
  /// Seconds that an entry of `failures` is about.
  package var stepS: Int
  /// By time, then the most frequent first.
  package var failures: [Entry]
  /// Of the last 200 that are kept, newest first.
  package var recent: [Recent]
  /// Continues `recent` with `?after=`; null at its end.
  package var next: Nullable<String>

  init(
    from: String, to: String, stepS: Int, failures: [Entry], recent: [Recent], next: String?
  ) {
    self.from = from
    self.to = to
    self.stepS = stepS
    self.failures = failures
    self.recent = recent
    self.next = Nullable(next)
  }
}

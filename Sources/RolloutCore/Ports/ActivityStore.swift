package import DocumentKit

/// What is asked of the history of all plans.
package struct ActivityQuery: Sendable {
  /// Older than this; nil from the newest on.
  package var before: MessagePlace?
  /// nil for all, as with the others.
  package var features: Set<String>?
  package var kind: String?
  /// As in `Actor.text`.
  package var actor: String?
  package var limit: Int

  package init(
    before: MessagePlace?, features: Set<String>?, kind: String?, actor: String?, limit: Int
  ) {
    self.before = before
    self.features = features
    self.kind = kind
    self.actor = actor
    self.limit = limit
  }
}

/// The history of all plans, as people look through it.
package protocol ActivityStore: Sendable {
  /// Events and notices, newest first. Throws `StoreError`.
  func activity(_ query: ActivityQuery) async throws -> [Message]

  /// What a plan's file said at a version; nil when there is no such version, or it cannot be read.
  /// Throws `StoreError`.
  func definition(feature: String, version: Int) async throws -> Document?
}

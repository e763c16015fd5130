/// An answer kept for the cache of the AI path.
package struct KeptAnswer: Sendable, Equatable {
  /// SHA-256 of the request.
  package var key: [UInt8]
  package var feature: String
  package var text: String
  package var model: String
  package var provider: String
  package var storedAt: Instant
  package var freshUntil: Instant
  package var staleUntil: Instant

  package init(
    key: [UInt8], feature: String, text: String, model: String, provider: String,
    storedAt: Instant, freshUntil: Instant, staleUntil: Instant
  ) {
    self.key = key
    self.feature = feature
    self.text = text
    self.model = model
    self.provider = provider
    self.storedAt = storedAt
    self.freshUntil = freshUntil
    self.staleUntil = staleUntil
  }
}

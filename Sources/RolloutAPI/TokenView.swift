package import DocumentKit
package import RolloutCore

/// An access token; `token` is there only in the answer that made it.
package struct TokenView: Codable, Sendable {
  package var id: String
  package var name: String
  package var scopes: [String]
  package var features: [String]?
  package var token: String?
  package var createdAt: String
  package var expiresAt: Nullable<String>
  package var revokedAt: String?
  /// To the minute; null while it never was.
  package var lastUsedAt: Nullable<String>
}

extension TokenView {
  /// `text` is the token itself, in the answer that made it.
  package init(_ token: TokenRecord, text: String? = nil) {
    id = token.id
    name = token.name
    scopes = token.scopes.map(\.rawValue).sorted()
    features = token.features?.sorted()
    self.token = text
    createdAt = token.createdAt.rfc3339
    expiresAt = Nullable(token.expiresAt?.rfc3339)
    revokedAt = token.revokedAt?.rfc3339
    lastUsedAt = Nullable(token.lastUsedAt?.rfc3339)
  }
}

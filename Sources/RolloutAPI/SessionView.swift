package import DocumentKit

/// Who is asking, and what they may do.
package struct SessionView: Codable, Sendable, Equatable {
  /// The name of the token; `anonymous` where the server asks for none.
  package var name: String
  package var scopes: [String]
  /// Those it is limited to; absent for all.
  package var features: [String]?
  /// When it ends by itself; null for never.
  package var expiresAt: Nullable<String>
  /// `off` where the server asks nobody for a token.
  package var auth: String
  /// When this server began: a page that was cut off learns whether it was restarted.
  package var serverStartedAt: String
  /// False where being signed in ends with the server, which could not write it down; else absent.
  package var durable: Bool?

  package init(
    name: String, scopes: [String], features: [String]?, expiresAt: String?, auth: String,
    serverStartedAt: String, durable: Bool?
  ) {
    self.serverStartedAt = serverStartedAt
    self.name = name
    self.scopes = scopes
    self.features = features
    self.expiresAt = Nullable(expiresAt)
    self.auth = auth
    self.durable = durable
  }
}

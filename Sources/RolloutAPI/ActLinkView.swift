package import DocumentKit

/// What a link of a message is about.
package struct ActLinkView: Codable, Sendable, Equatable {
  /// `approve` or `acknowledge`.
  package var action: String
  package var feature: String
  package var stage: String
  package var version: Int
  package var expiresAt: String
  /// What following it does.
  package var sentence: String
  package var usable: Bool
  /// Why it is not usable; null while it is.
  package var why: Nullable<String>

  package init(
    action: String, feature: String, stage: String, version: Int, expiresAt: String,
    sentence: String, usable: Bool, why: String?
  ) {
    self.action = action
    self.feature = feature
    self.stage = stage
    self.version = version
    self.expiresAt = expiresAt
    self.sentence = sentence
    self.usable = usable
    self.why = Nullable(why)
  }
}

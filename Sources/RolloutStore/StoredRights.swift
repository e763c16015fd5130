import DocumentKit
package import RolloutCore

/// What a token may do, as its row says it.
package struct StoredRights: Sendable, Equatable {
  package var scopes: Set<Scope>
  /// nil for all.
  package var features: Set<String>?

  package init(scopes: Set<Scope>, features: Set<String>?) {
    self.scopes = scopes
    self.features = features
  }

  /// Reads what stands there, whatever it is. What cannot be read is no licence: a scope that is
  /// not known is none, and a limit that is no list is for no feature at all.
  package init(scopes: String, features: String?) {
    self.scopes = Set(scopes.split(separator: " ").compactMap { Scope(rawValue: String($0)) })
    self.features = features.map { text in
      let list = (try? JSONReader.read(Array(text.utf8)).array) ?? []
      return Set(list.compactMap(\.string))
    }
  }

  package var scopesText: String { scopes.map(\.rawValue).sorted().joined(separator: " ") }

  package var featuresText: String? {
    features.map { Document.array($0.sorted().map { .string($0) }).jsonText }
  }
}

package import RolloutCore

/// Notes which promises are broken, each in a sentence. Contracts are lists of these, so that they
/// can be asked of anything that claims to keep them: a file, a memory, a simulated disk.
package struct Promises: Sendable {
  package private(set) var broken: [String] = []

  package init() {}

  package mutating func keep(_ isKept: Bool, _ promise: String) {
    if !isKept { broken.append(promise) }
  }

  /// That `body` throws this.
  package mutating func refuse(
    _ error: StoreError, _ promise: String, _ body: () async throws -> Void
  ) async {
    do {
      try await body()
      broken.append(promise)
    } catch let thrown as StoreError {
      if !thrown.isLike(error) { broken.append("\(promise) (threw \(thrown))") }
    } catch { broken.append("\(promise) (threw \(error))") }
  }
}

extension StoreError {
  /// The same case; what is said beside it is for people.
  fileprivate func isLike(_ other: StoreError) -> Bool {
    switch (self, other) {
    case (.stale, .stale), (.unavailable, .unavailable), (.corrupt, .corrupt),
      (.alreadyExists, .alreadyExists), (.notFound, .notFound), (.unreadable, .unreadable):
      true
    default: false
    }
  }
}

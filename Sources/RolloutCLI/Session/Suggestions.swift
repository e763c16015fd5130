import DocumentKit

/// What somebody may have meant who wrote something else.
enum Suggestions {
  /// The nearest of some names, within two edits; of short ones within one.
  static func near(_ word: String, _ names: [String]) -> String? {
    let near = names.min { editDistance($0, word) < editDistance($1, word) }
    return near.flatMap { editDistance($0, word) <= editsMax(word) ? $0 : nil }
  }

  private static func editsMax(_ word: String) -> Int { word.count <= 3 ? 1 : 2 }
}

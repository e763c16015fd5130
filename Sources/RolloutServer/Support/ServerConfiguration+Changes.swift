import DocumentKit

extension ServerConfiguration {
  /// Names that one record of the audit lists.
  private static let namesMax = 50

  /// What this edition of the file says otherwise than `before`, by name and without a value:
  /// `routes.summary`, `notify.ops`.
  func changes(since before: ServerConfiguration) -> Document {
    let names = Self.names(before.document, document, "")
    return .object([
      "changed": .array(
        names.prefix(Self.namesMax).map { .string($0.clipped(toBytes: 200)) }),
      "more": names.count > Self.namesMax ? .int(names.count - Self.namesMax) : nil,
    ])
  }

  /// The members that differ, of sections by their own names.
  private static func names(
    _ earlier: Document, _ later: Document, _ section: String
  ) -> [String] {
    let (before, after) = (members(earlier), members(later))
    let keys =
      after.map(\.key)
      + before.map(\.key).filter { key in
        !after.contains { $0.key == key }
      }
    return keys.flatMap { key -> [String] in
      let (old, new) = (
        before.first { $0.key == key }?.value, after.first { $0.key == key }?.value
      )
      guard old != new else { return [] }
      let name = section.isEmpty ? key : "\(section).\(key)"
      guard section.isEmpty else { return [name] }
      let within = names(old ?? .null, new ?? .null, key)
      return within.isEmpty ? [name] : within
    }
  }

  /// Of an object, or of a list whose entries have names.
  private static func members(_ document: Document) -> [(key: String, value: Document)] {
    if let members = document.members { return members.map { ($0.key, $0.value) } }
    let entries = (document.array ?? []).map { (key: $0["name"]?.string, value: $0) }
    let named = entries.compactMap { entry in entry.key.map { (key: $0, value: entry.value) } }
    return named.count == entries.count ? named : []
  }
}

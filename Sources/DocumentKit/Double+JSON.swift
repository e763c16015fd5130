extension Double {
  /// Reads a number as JSON writes it, and nothing else: no `0x10`, no `1_000`, no `inf`. nil for
  /// what a `Double` cannot hold finitely, too.
  package init?(json text: String) {
    guard let number = (try? JSONReader.read(Array(text.utf8)))?.double else { return nil }
    self = number
  }
}

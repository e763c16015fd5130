/// How results are printed.
enum OutputForm: String {
  case table, json, yaml

  /// As far as the words of a line say it; known before they are understood, so that whatever is
  /// wrong with them is said in that form too.
  init(_ arguments: [String]) {
    self = .table
    let words = arguments.prefix { $0 != "--" }
    for (word, next) in zip(words, words.dropFirst() + [""]) {
      let parts = word.split(separator: "=", maxSplits: 1)
      guard let name = parts.first, ["--output", "-o"].contains(name) else { continue }
      self = OutputForm(rawValue: parts.count == 2 ? String(parts[1]) : next) ?? self
    }
  }
}

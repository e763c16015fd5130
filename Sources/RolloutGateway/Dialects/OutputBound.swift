package import DocumentKit

/// What a request says that its answer may take.
///
/// Providers and the servers that speak their dialects know the bound by several names, and obey
/// one or another where several are given; so the largest of them counts.
package struct OutputBound: Sendable, Equatable {
  /// Names of the bound on one answer.
  static let boundKeys = [
    "max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens",
    "max_tokens_to_sample",
  ]
  /// Names of how many answers are made, each of which is paid.
  static let choiceKeys = ["n", "best_of"]

  /// No model writes more.
  static let tokensMax = 10_000_000
  /// OpenAI's own limit.
  static let choicesMax = 128
  /// What an answer may take when nobody says.
  static let tokensDefault = 4096

  private var bounds: [String: Int] = [:]
  private var choices: [String: Int] = [:]
  /// Members whose number was written in a way that not everybody reads, and the number.
  private(set) var corrections: [(key: String, value: Int)] = []

  package static func == (a: OutputBound, b: OutputBound) -> Bool {
    a.bounds == b.bounds && a.choices == b.choices
  }

  init(maxTokens: Int) { bounds["max_tokens"] = maxTokens }

  /// What a request's members say. Throws for what is no whole number above 0, or too large.
  init(_ raw: RawObject) throws(DocumentError) {
    try Self.refuseDisguised(raw.keys)
    for key in Self.boundKeys + Self.choiceKeys {
      guard let value = raw[key], !value.isNull else { continue }
      let number = try Self.number(value, key)
      if value != .int(number) { corrections.append((key, number)) }
      take(key, number)
    }
  }

  /// Reads a bound. Throws for what is no whole number above 0, or too large.
  package static func number(_ value: Document, _ key: String) throws(DocumentError) -> Int {
    let most = choiceKeys.contains(key) ? choicesMax : tokensMax
    guard let number = value.int, (1...most).contains(number) else {
      throw DocumentError(
        "\(key) must be a whole number from 1 to \(most).", at: value.position, path: "")
    }
    return number
  }

  /// Some servers read keys without looking at their case: `Max_Tokens` would pass us by.
  private static func refuseDisguised(_ keys: [String]) throws(DocumentError) {
    for key in keys where key.utf8.contains(where: { $0 >= 0x80 || (0x41...0x5A).contains($0) }) {
      // Both ways: the Kelvin sign and the long s have a plain letter in one direction only.
      let plain = key.lowercased().uppercased().lowercased()
      guard (boundKeys + choiceKeys).contains(plain) else { continue }
      throw DocumentError("Write \(plain) in lower case.", at: .unknown, path: "")
    }
  }

  private mutating func take(_ key: String, _ number: Int) {
    if Self.boundKeys.contains(key) { bounds[key] = number }
    if Self.choiceKeys.contains(key) { choices[key] = number }
  }

  /// With a target's parameters, which are set over the request's own.
  func with(_ params: [Document.Member]) -> OutputBound {
    guard !params.isEmpty else { return self }
    var bound = self
    for member in params {
      // The configuration has been read: what is no number there stands in nobody's way.
      if let number = member.value.int { bound.take(member.key, max(1, number)) }
    }
    return bound
  }

  /// Whether anybody bounds an answer.
  var isSet: Bool { !bounds.isEmpty }

  /// The bound on one answer; nil when nobody says.
  var largest: Int? { bounds.values.max() }

  /// Tokens of all answers together, at most.
  var tokens: Int {
    (largest ?? Self.tokensDefault).multiplied(by: choices.values.max() ?? 1)
  }
}

import DocumentKit

/// What a request says that its answer may take.
///
/// Providers and the servers that speak their dialects know the bound by several names, at the top
/// and inside settings of their own (`options`, `reasoning`, `parameters`), and obey one or another
/// where several are given; so the largest of them counts.
struct OutputBound: Sendable {
  /// What a member is about.
  private enum Kind: Sendable {
    /// The end of one answer.
    case end
    /// How long one answer must be at least.
    case least
    /// What may be thought, which some count apart from the answer.
    case thinking
    /// How many answers are made, each of which is paid.
    case choices
    /// Who answers, or on what terms: nothing here says what that costs.
    case terms
  }

  private struct Entry: Sendable {
    /// The member of the request in which it stands.
    var top: String
    var kind: Kind
    var number: Int
  }

  /// Names of the bound on one answer.
  static let boundKeys = [
    "max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens",
    "max_tokens_to_sample", "max_tokens_to_generate", "max_gen_len", "n_predict", "num_predict",
    "budget_tokens",
  ]
  private static let leastKeys = [
    "min_tokens", "min_new_tokens", "min_completion_tokens", "min_output_tokens",
  ]
  private static let thinkingKeys = [
    "thinking_budget", "reasoning_budget", "thinking_token_budget", "max_thinking_tokens",
    "max_reasoning_tokens",
  ]
  private static let choiceKeys = [
    "n", "best_of", "num_return_sequences", "candidate_count", "num_generations",
  ]
  /// Other models, other sellers of the same, and orders by name that nobody here knows.
  private static let termKeys = [
    "models", "fallbacks", "fallback_models", "model_fallbacks", "default_fallbacks",
    "context_window_fallbacks", "content_policy_fallbacks", "route", "preset", "provider",
    "plugins", "extra_body",
  ]
  /// Those of whose values one costs what the price says.
  private static let pacedKeys = ["service_tier": ["priority"], "speed": ["fast"]]

  private static let kinds: [String: Kind] = {
    var kinds: [String: Kind] = [:]
    for (keys, kind) in [
      (boundKeys, Kind.end), (leastKeys, .least), (thinkingKeys, .thinking),
      (choiceKeys, .choices), (termKeys, .terms), (Array(pacedKeys.keys), .terms),
    ] {
      for key in keys { kinds[key] = kind }
    }
    return kinds
  }()
  private static let names = Dictionary(
    kinds.keys.map { (plain($0), $0) }, uniquingKeysWith: { first, _ in first })
  /// Members in which no server looks for a setting: what the model reads, and shapes of answers.
  private static let unsearched: Set<String> = [
    "messages", "system", "tools", "functions", "tool_choice", "function_call", "response_format",
    "prediction", "metadata", "logit_bias", "stop", "stop_sequences", "output_config", "format",
    "guided_json", "guided_choice", "structured_outputs", "json_schema", "grammar", "mcp_servers",
  ]

  /// Names that mean something else where no settings are.
  private static let ambiguous: Set<String> = [
    "n", "models", "route", "preset", "provider", "plugins", "speed",
  ]
  private static let settings: Set<String> = [
    "options", "parameters", "extra_body", "sampling_params", "generation_config",
    "generationConfig",
  ]

  /// No model writes more.
  static let tokensMax = 10_000_000
  /// OpenAI's own limit.
  static let choicesMax = 128
  /// What an answer may take when nobody says.
  static let tokensDefault = 4096

  private var entries: [Entry] = []
  /// Members in which a number was written in a way that not everybody reads, as everybody does.
  private(set) var corrections: [Document.Member] = []
  /// A member that may make the answer dearer than the price of the model says; nil for none.
  private(set) var terms: String?

  init(maxTokens: Int) { entries = [Entry(top: "max_tokens", kind: .end, number: maxTokens)] }

  /// What a request's members say. Throws for what is no whole number above 0, or too large.
  init(_ raw: RawObject) throws(DocumentError) {
    for key in raw.keys where !Self.unsearched.contains(key) {
      let kind = try Self.kind(of: key, in: nil)
      guard kind != nil || Self.isNested(raw.json(key)?.first) else { continue }
      guard let value = raw[key] else {
        throw DocumentError("A key stands twice within \(key); keep one.", at: .unknown, path: "")
      }
      let read = try take(value, of: key, in: nil, at: key)
      if read != value { corrections.append(Document.Member(key: key, value: read)) }
    }
  }

  private static func isNested(_ first: UInt8?) -> Bool {
    first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
  }

  /// Without what tells `max_tokens` from `maxTokens`. Both ways: the Kelvin sign and the long s
  /// have a plain letter in one direction only.
  private static func plain(_ key: String) -> String {
    key.lowercased().uppercased().lowercased().filter { $0 != "_" && $0 != "-" }
  }

  /// Throws for a name in other letters: some servers read keys without looking at their case, and
  /// `Max_Tokens` would pass us by.
  private static func kind(of key: String, in parent: String?) throws(DocumentError) -> Kind? {
    if key == "max_tokens", parent == "reasoning" || parent == "thinking" { return .thinking }
    if let parent, ambiguous.contains(key), !settings.contains(parent) { return nil }
    if let kind = kinds[key] { return kind }
    let isOrdinary = key.utf8.allSatisfy {
      (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_")
    }
    guard !isOrdinary, let name = names[plain(key)] else { return nil }
    throw DocumentError("Write \(name) in lower case.", at: .unknown, path: "")
  }

  /// Takes in what a member says, and all inside it; returns it as everybody reads it.
  private mutating func take(
    _ value: Document, of key: String, in parent: String?, at top: String
  ) throws(DocumentError) -> Document {
    let kind = try Self.kind(of: key, in: parent)
    if kind == .terms { note(key, value) }
    if let kind, kind != .terms, parent == nil || value.array == nil && value.members == nil {
      guard !value.isNull else { return value }
      let number = try Self.number(value, key, kind)
      entries.append(Entry(top: top, kind: kind, number: number))
      return .int(number)
    }
    if let members = value.members {
      var new = value
      for member in members {
        let read = try take(member.value, of: member.key, in: key, at: top)
        if read != member.value { new.set(member.key, read) }
      }
      return new
    }
    guard let elements = value.array else { return value }
    var new: [Document] = []
    for element in elements { new.append(try take(element, of: "", in: key, at: top)) }
    return .array(new)
  }

  private mutating func note(_ key: String, _ value: Document) {
    if let dear = Self.pacedKeys[key] {
      guard let text = value.string, dear.contains(text.lowercased()) else { return }
    }
    let isEmpty = value.isNull || value.array?.isEmpty == true || value.members?.isEmpty == true
    if !isEmpty { terms = terms ?? key }
  }

  private static func number(
    _ value: Document, _ key: String, _ kind: Kind
  ) throws(DocumentError) -> Int {
    let most = kind == .choices ? choicesMax : tokensMax
    let least = kind == .least || kind == .thinking ? 0 : 1
    guard let number = value.int, (least...most).contains(number) else {
      throw DocumentError(
        "\(key) must be a whole number from \(least) to \(most).", at: value.position, path: "")
    }
    return number
  }

  /// What a target's parameters say. Throws as for a request.
  static func check(_ params: [Document.Member]) throws(DocumentError) {
    var bound = OutputBound(maxTokens: 1)
    for member in params { try bound.set(member) }
  }

  private mutating func set(_ member: Document.Member) throws(DocumentError) {
    entries.removeAll { $0.top == member.key }
    guard !Self.unsearched.contains(member.key) else { return }
    _ = try take(member.value, of: member.key, in: nil, at: member.key)
  }

  /// With a target's parameters, which are set over the request's own.
  func with(_ params: [Document.Member]) -> OutputBound {
    guard !params.isEmpty else { return self }
    var bound = self
    // The configuration has been checked: what cannot be read there stands in nobody's way.
    for member in params { try? bound.set(member) }
    // Whose terms they are is the administrator's to know.
    bound.terms = terms
    return bound
  }

  /// Whether an answer is bounded by a name that every server of the dialect knows.
  func isSet(in dialect: ChatDialect) -> Bool {
    let known =
      dialect == .anthropic ? ["max_tokens"] : ["max_tokens", "max_completion_tokens"]
    return entries.contains { $0.kind == .end && known.contains($0.top) }
  }

  /// The bound on one answer; nil when nobody says.
  var largest: Int? {
    let end = largest(.end)
    guard let least = largest(.least) else { return end }
    return max(end ?? Self.tokensDefault, least)
  }

  private func largest(_ kind: Kind) -> Int? {
    entries.filter { $0.kind == kind }.map(\.number).max()
  }

  /// Tokens of one answer, at most.
  var tokensEach: Int { largest ?? Self.tokensDefault }

  /// Tokens of all answers together, and of what is thought before them, at most.
  var tokens: Int {
    tokensEach.adding(largest(.thinking) ?? 0).multiplied(by: largest(.choices) ?? 1)
  }
}

package import DocumentKit

/// Whose shapes a chat is written in.
package enum ChatDialect: String, Sendable {
  /// OpenAI's chat completions.
  case openai
  /// Anthropic's messages.
  case anthropic
}

/// A chat as its caller wrote it. A provider of the same dialect gets every field as it is; for
/// another one it is translated, and what has no counterpart is named in `dropped`.
package struct ChatRequest: Sendable {
  package let dialect: ChatDialect
  private let raw: RawObject
  /// What is set over the caller's members.
  private var changes: [(key: String, value: Document)] = []
  /// What the caller says that the answer may take, and how many answers are wanted.
  private var outputAsked: Int?
  private let choices: Int

  package init(_ raw: RawObject, dialect: ChatDialect = .openai) {
    self.raw = raw
    self.dialect = dialect
    let asked = raw["max_completion_tokens"]?.int ?? raw["max_tokens"]?.int
    outputAsked = asked.map { min($0, Self.maxTokensMax) }
    choices = min(128, max(1, raw["n"]?.int ?? 1))
  }

  /// A question of one line for one token of answer, with nothing of any feature in it.
  static let neutral: ChatRequest = {
    var request = ChatRequest(RawObject.empty)
    request.set(
      "messages",
      .array([.object(["role": .string("user"), "content": .string("Reply with OK.")])]))
    request.set("max_tokens", .int(1))
    request.set("user", .string("rollout-probe"))
    return request
  }()

  /// A member of the body; nil when it is absent. Reads its value each time.
  package subscript(_ key: String) -> Document? {
    changes.last { $0.key == key }?.value ?? raw[key]
  }

  /// What the model reads, as JSON.
  package var prompt: String {
    let parts = ["system", "messages"].compactMap { raw.json($0) }
    return parts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
  }

  /// Bytes of a member as it was written; 0 when it is absent.
  package func size(of key: String) -> Int { raw.json(key)?.count ?? 0 }

  /// Whether `messages` is a list that is not empty, by its text alone.
  package var hasMessages: Bool { raw.hasElements("messages") }

  package mutating func set(_ key: String, _ value: Document) { changes.append((key, value)) }

  /// The whole body. Throws when a key stands twice somewhere inside.
  package func document() throws(DocumentError) -> Document {
    var document = try raw.document()
    for change in changes { document.set(change.key, change.value) }
    return document
  }

  /// Tokens that a target may answer with at most.
  func outputBound(_ target: GatewayConfiguration.Target) -> Int {
    let params = target.params.first { $0.key == "max_tokens" || $0.key == "max_completion_tokens" }
    let bound = params?.value.int ?? outputAsked ?? Self.maxTokensDefault
    return max(0, min(bound, Self.maxTokensMax)) * choices
  }

  /// Bytes of everything that a model reads.
  var promptSize: Int { size(of: "messages") + size(of: "system") + size(of: "tools") }

  /// Tokens that a provider will count for its limits, about: four bytes each, and the whole
  /// answer.
  func tokensExpected(_ target: GatewayConfiguration.Target) -> Int {
    promptSize / 4 + outputBound(target)
  }

  /// A request without a bound on its answer gets one, so that it cannot cost more than was held
  /// for it.
  package mutating func boundOutput() {
    guard outputAsked == nil else { return }
    outputAsked = Self.maxTokensDefault
    set("max_tokens", .int(Self.maxTokensDefault))
  }

  /// No model writes more; a larger wish counts as this one.
  private static let maxTokensMax = 1_000_000_000

  /// What an answer may take when nobody says.
  static let maxTokensDefault = 4096

  /// The body in `dialect` with `settings` over it (nil leaves a member out), and the parameters
  /// that were dropped or clamped on the way. Throws `ProviderFailure.callerError` for a body that
  /// cannot be translated.
  func body(
    in dialect: ChatDialect, _ settings: [(key: String, value: Document?)]
  ) throws(ProviderFailure) -> (json: [UInt8], dropped: [String]) {
    guard dialect != self.dialect else {
      let all = changes.map { ($0.key, $0.value as Document?) } + settings
      var last: [(key: String, value: [UInt8]?)] = []
      for (key, value) in all {
        last.removeAll { $0.key == key }
        last.append((key, value?.json))
      }
      return (raw.replacing(last), [])
    }
    var (body, dropped) = try translated(to: dialect)
    for (key, value) in settings {
      if let value { body.set(key, value) } else { body.remove(key) }
    }
    return (body.json, dropped)
  }

  /// In `dialect`, with the parameters that were dropped or clamped on the way.
  func translated(
    to dialect: ChatDialect
  ) throws(ProviderFailure) -> (body: Document, dropped: [String]) {
    let body: Document
    do throws(DocumentError) { body = try document() } catch {
      throw .callerError(status: 400, message: "The body is not usable JSON: \(error)")
    }
    return switch (self.dialect, dialect) {
    case (.openai, .openai), (.anthropic, .anthropic): (body, [])
    case (.openai, .anthropic): RequestTranslation.anthropic(from: body)
    case (.anthropic, .openai): RequestTranslation.openAI(from: body)
    }
  }
}

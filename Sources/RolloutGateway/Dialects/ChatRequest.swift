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
  /// What the caller says that an answer may take, and how many answers are wanted.
  let outputAsked: OutputBound
  /// Whether an answer that nobody bounds gets a bound.
  private(set) var boundsOutput = false

  /// Throws for a bound on the answer that is none.
  package init(_ raw: RawObject, dialect: ChatDialect = .openai) throws(DocumentError) {
    self.dialect = dialect
    self.raw = raw
    outputAsked = try OutputBound(raw)
  }

  /// A question of one line for one token of answer, with nothing of any feature in it.
  static let neutral: ChatRequest = {
    let question = Document.object([
      "messages": .array([
        .object(["role": .string("user"), "content": .string("Reply with OK.")])
      ]),
      "max_tokens": .int(1), "user": .string("rollout-probe"),
    ])
    let raw = (try? RawObject(question.json)) ?? .empty
    return ChatRequest(raw, OutputBound(maxTokens: 1))
  }()

  private init(_ raw: RawObject, _ bound: OutputBound) {
    dialect = .openai
    self.raw = raw
    outputAsked = bound
  }

  /// A member of the body; nil when it is absent. Reads its value each time.
  package subscript(_ key: String) -> Document? { raw[key] }

  /// What the model reads, each part as JSON.
  package var promptParts: [[UInt8]] {
    ["system", "messages"].compactMap { raw.json($0) }.map { Array($0) }
  }

  /// Bytes of a member as it was written; 0 when it is absent.
  package func size(of key: String) -> Int { raw.json(key)?.count ?? 0 }

  /// Whether `messages` is a list that is not empty, by its text alone.
  package var hasMessages: Bool { raw.hasElements("messages") }

  /// The whole body. Throws when a key stands twice somewhere inside.
  package func document() throws(DocumentError) -> Document { try raw.document() }

  /// Tokens that a target with parameters of its own may answer with at most, all its answers
  /// together. A prediction that is rejected is paid like an answer.
  func outputBound(_ params: [Document.Member]) -> Int {
    outputAsked.with(params).tokens.adding(size(of: "prediction"))
  }

  /// A member that may make the answer dearer than the target's price says; nil for none.
  var terms: String? { outputAsked.terms }

  /// Bytes of what a model reads.
  private var promptSize: Int { size(of: "messages") + size(of: "system") + size(of: "tools") }

  /// Tokens that a provider will count for its limits, about: four bytes each, and the whole
  /// answer.
  func tokensExpected(_ params: [Document.Member]) -> Int {
    (promptSize / 4).adding(outputBound(params))
  }

  /// Tokens of everything that a model may read, at most: schemas and files too; nil where a key
  /// stands twice in it, so that nobody can say what is read. O(bytes).
  func inputBound(imageTokens: Int) -> Int? {
    let hasTools = ["tools", "functions"].contains { size(of: $0) > 2 }
    let attachments = Attachments(raw)
    guard attachments.isKnown else { return nil }
    return max(0, raw.bytes.count - attachments.imageBytes)
      .adding(attachments.images.multiplied(by: imageTokens))
      .adding(attachments.references.multiplied(by: Attachments.referenceTokens))
      .adding(hasTools ? Self.toolPromptTokens : 0)
  }

  /// What providers put before the question when there are tools, at most.
  private static let toolPromptTokens = 700

  /// A request without a bound on its answer gets one at whatever target answers, so that it cannot
  /// cost more than was held for it.
  package mutating func boundOutput() { boundsOutput = true }

  /// What goes over the caller's members at a target that speaks `dialect`: its own parameters, and
  /// a bound on the answer where one is wanted and nobody says one that is obeyed there.
  func settings(
    _ params: [Document.Member], in dialect: ChatDialect
  ) -> [(key: String, value: Document?)] {
    let bound = outputAsked.with(params)
    var settings = params.map { ($0.key, $0.value as Document?) }
    if boundsOutput, !bound.isSet(in: dialect) {
      settings.append(("max_tokens", .int(bound.tokensEach)))
    }
    return settings
  }

  /// The body in `dialect` with `settings` over it (nil leaves a member out), and the parameters
  /// that were dropped or clamped on the way. Throws for a body that cannot be translated.
  func body(
    in dialect: ChatDialect, _ settings: [(key: String, value: Document?)]
  ) throws(DocumentError) -> (json: [UInt8], dropped: [String]) {
    let corrections = outputAsked.corrections
    guard dialect != self.dialect else {
      var last: [(key: String, value: [UInt8]?)] = corrections.map { ($0.key, $0.value.json) }
      for (key, value) in settings {
        last.removeAll { $0.key == key }
        last.append((key, value?.json))
      }
      return (raw.replacing(last), [])
    }
    var (body, dropped) = try translated(to: dialect)
    // What the other dialect has no word for stays away, however it was written.
    for member in corrections where body[member.key] != nil { body.set(member.key, member.value) }
    for (key, value) in settings {
      if let value { body.set(key, value) } else { body.remove(key) }
    }
    return (body.json, dropped)
  }

  /// In `dialect`, with the parameters that were dropped or clamped on the way.
  func translated(
    to dialect: ChatDialect
  ) throws(DocumentError) -> (body: Document, dropped: [String]) {
    let body = try document()
    return switch (self.dialect, dialect) {
    case (.openai, .openai), (.anthropic, .anthropic): (body, [])
    case (.openai, .anthropic): RequestTranslation.anthropic(from: body, outputAsked.largest)
    case (.anthropic, .openai): RequestTranslation.openAI(from: body)
    }
  }
}

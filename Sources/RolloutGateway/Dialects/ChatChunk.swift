package import DocumentKit

/// Makes OpenAI chat completion chunks for answers that do not come from an OpenAI stream.
package struct ChatChunk: Sendable {
  package var id: String
  /// Seconds since 1970.
  package var created: Int
  package var model: String

  package init(id: String, created: Int, model: String) {
    self.id = id
    self.created = created
    self.model = model
  }

  /// A whole answer: role, pieces of content, finish reason and, where given, usage.
  package func answer(_ pieces: [String], usage: Document?) -> [Document] {
    var chunks = [chunk(["role": .string("assistant"), "content": .string("")], finish: nil)]
    chunks += pieces.map { chunk(["content": .string($0)], finish: nil) }
    chunks.append(chunk([:], finish: "stop"))
    if let usage { chunks.append(base(choices: [], usage: usage)) }
    return chunks
  }

  private func chunk(_ delta: KeyValuePairs<String, Document?>, finish: String?) -> Document {
    base(
      choices: [
        .object([
          "index": .int(0), "delta": .object(delta),
          "finish_reason": finish.map { .string($0) } ?? .null,
        ])
      ], usage: nil)
  }

  private func base(choices: [Document], usage: Document?) -> Document {
    .object([
      "id": .string(id), "object": .string("chat.completion.chunk"), "created": .int(created),
      "model": .string(model), "choices": .array(choices), "usage": usage,
    ])
  }

  /// Words with their following space, so that joining them gives the text back.
  package static func pieces(of text: String) -> [String] {
    var pieces: [String] = []
    var current = ""
    for character in text {
      current.append(character)
      if character == " " {
        pieces.append(current)
        current = ""
      }
    }
    if !current.isEmpty { pieces.append(current) }
    return pieces
  }

  /// The text of a message's content, which is a string or a list of parts.
  static func text(_ content: Document) -> String {
    if let text = content.string { return text }
    return (content.array ?? []).compactMap { $0["text"]?.string }.joined()
  }
}

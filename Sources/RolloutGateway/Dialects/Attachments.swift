import DocumentKit

/// What a request carries besides text: a model reads an image in so many tokens however many bytes
/// it has, and a file it has to fetch in nobody knows how many.
struct Attachments {
  /// Tokens that a file counts whose bytes are elsewhere.
  static let referenceTokens = 100_000
  /// Tokens of an image where the price does not say.
  static let imageTokensDefault = 765

  private(set) var images = 0
  /// Bytes of images that are sent along.
  private(set) var imageBytes = 0
  /// Files that are only named.
  private(set) var references = 0
  /// Whether every part could be looked through: one in which a key stands twice is read by
  /// everybody as they like.
  private(set) var isKnown = true

  /// Looks through the JSON of a request's `messages` and `system`. O(bytes).
  init(messages: ArraySlice<UInt8>?, system: ArraySlice<UInt8>?) {
    if let messages = read(messages) {
      for message in messages.array ?? [messages] { look(message: message) }
    }
    if let system = read(system) { look(parts: system) }
  }

  private mutating func read(_ json: ArraySlice<UInt8>?) -> Document? {
    // Whatever is no text stands in a list or in an object inside the first.
    guard let json, json.dropFirst().contains(where: { $0 == 0x5B || $0 == 0x7B }) else {
      return nil
    }
    let document = try? JSONReader.read(Array(json))
    if document == nil { isKnown = false }
    return document
  }

  /// Members of a message, beside its content, that hold files or name them.
  private static let fileMembers: Set<String> = [
    "audio", "video", "image", "file", "document", "attachments", "files", "file_ids", "images",
    "videos", "documents",
  ]

  private mutating func look(message: Document) {
    for member in message.members ?? [] {
      if member.key == "content" || member.key == "parts" {
        look(parts: member.value)
      } else if Self.fileMembers.contains(member.key) {
        let files = member.value.array ?? [member.value]
        references += files.count { !$0.isNull && !isInline($0) }
      }
    }
  }

  /// The parts of a content: a list of them, or one.
  private mutating func look(parts: Document) {
    if let parts = parts.array {
      for part in parts { look(parts: part) }
    } else if parts.members != nil {
      look(part: parts)
    }
  }

  private mutating func look(part: Document) {
    if isImage(part) {
      images += 1
      imageBytes += inlineBytes(part)
      return
    }
    if !isText(part), !isInline(part) { references += 1 }
    // Answers of tools and documents have parts of their own.
    for holder in [part, part["source"]] {
      if let parts = holder?["content"] { look(parts: parts) }
    }
  }

  private func isImage(_ part: Document) -> Bool {
    let type = part["type"]?.string
    return type == "image" || type == "image_url" || type == "input_image"
      || part["image_url"] != nil
  }

  /// Bytes of an image that do not count as text; what is no image does.
  private func inlineBytes(_ part: Document) -> Int {
    let url = part["image_url"]?["url"]?.string ?? part["image_url"]?.string
    if let url, url.hasPrefix("data:image/") { return url.utf8.count }
    let source = part["source"]
    guard source?["media_type"]?.string?.hasPrefix("image/") == true else { return 0 }
    return source?["data"]?.string?.utf8.count ?? 0
  }

  private static let textTypes: Set<String> = [
    "text", "input_text", "output_text", "summary_text", "reasoning_text", "refusal", "thinking",
    "reasoning", "redacted_thinking", "tool_call", "function_call", "search_result",
    "web_search_result", "web_fetch_result", "code_execution_result",
  ]

  /// Whether a part is read as what stands in it. Kinds of files come up that nobody here knows;
  /// whatever is not known to be text is a file.
  private func isText(_ part: Document) -> Bool {
    guard let type = part["type"]?.string else { return part["text"]?.string != nil }
    return Self.textTypes.contains(type) || type.hasSuffix("tool_use")
      || type.hasSuffix("tool_result")
  }

  /// Members that name a file which is elsewhere, unless their text is the file itself.
  private static let namingMembers: Set<String> = ["url", "uri", "id", "file_id", "file_uri"]

  /// Whether a file's bytes, which bound its tokens, are in the request, and none is named beside
  /// them that would be read in their place.
  private func isInline(_ file: Document) -> Bool {
    let holders = [file] + (file.members ?? []).map(\.value)
    let members = holders.flatMap { $0.members ?? [] }
    let names = members.contains { member in
      guard let text = member.value.string else { return false }
      let isNaming =
        Self.namingMembers.contains(member.key) || member.key.hasSuffix("_url")
        || member.key.hasSuffix("_id")
      return isNaming && !text.hasPrefix("data:") || text.hasPrefix("http")
    }
    guard !names else { return false }
    return file.string?.hasPrefix("data:") == true
      || members.contains { member in
        ["data", "file_data", "content"].contains(member.key)
          || member.value.string?.hasPrefix("data:") == true
      }
  }
}

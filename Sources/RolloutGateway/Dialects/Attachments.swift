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

  /// Looks through a request's whole body: servers take files in members of it as well. O(bytes).
  init(_ raw: RawObject) {
    for key in raw.keys where !Self.unsearched.contains(key) {
      guard let value = read(raw.json(key)) else { continue }
      switch key {
      case "messages": for message in value.array ?? [value] { look(message: message) }
      case "system": look(parts: value)
      case "prediction": look(message: value)
      case "tools": for tool in value.array ?? [value] { look(tool: tool) }
      default: count(value, of: key)
      }
    }
  }

  private mutating func read(_ json: ArraySlice<UInt8>?) -> Document? {
    // Numbers and the like name nothing.
    guard let json, [0x22, 0x5B, 0x7B].contains(json.first) else { return nil }
    let document = try? JSONReader.read(Array(json))
    if document == nil { isKnown = false }
    return document
  }

  /// Members of the body in which no file can be named: shapes of answers, and words of the
  /// caller's own.
  private static let unsearched: Set<String> = [
    "functions", "tool_choice", "function_call", "response_format", "metadata", "logit_bias",
    "stop", "stop_sequences", "output_config", "format", "guided_json", "guided_choice",
    "structured_outputs", "json_schema", "grammar", "model", "user",
  ]

  /// Members of a message, beside its content, that hold files or name them.
  private static let fileMembers: Set<String> = [
    "audio", "video", "image", "file", "document", "attachments", "files", "file_ids", "images",
    "videos", "documents",
  ]

  /// Members of the body, or of what stands in it, that hold files or name what the model reads
  /// besides; without what tells `cached_content` from `cachedContent`.
  private static let readMembers: Set<String> = [
    "video", "image", "file", "document", "attachments", "files", "images", "videos", "documents",
    "cachedcontent", "container", "conversation", "knowledge", "contextfiles", "datasources",
  ]

  /// Whose names end so but are the caller's own: no server looks a text up by them.
  private static let ownIDs: Set<String> = [
    "userid", "sessionid", "traceid", "requestid", "toolcallid", "callid", "customerid",
    "organizationid", "projectid",
  ]

  private static func plain(_ key: String) -> String {
    key.lowercased().filter { $0 != "_" && $0 != "-" }
  }

  private static func isNaming(_ key: String) -> Bool {
    let plain = plain(key)
    if ownIDs.contains(plain) { return false }
    if namingMembers.contains(key) { return true }
    return ["_", "-"].contains { mark in
      ["id", "ids", "url", "urls", "uri", "uris"].contains { key.lowercased().hasSuffix(mark + $0) }
    }
      || ["Id", "Ids", "ID", "IDs", "Url", "Urls", "URL", "URLs", "Uri", "Uris", "URI", "URIs"]
        .contains { key.hasSuffix($0) }
  }

  private static func isAddress(_ text: String) -> Bool {
    let start = text.prefix(8).lowercased()
    return ["http://", "https://", "gs://", "s3://", "file://", "ftp://"].contains {
      start.hasPrefix($0)
    }
  }

  /// What a tool may take is described, not given.
  private mutating func look(tool: Document) {
    let described: Set<String> = ["function", "parameters", "input_schema", "custom"]
    for member in tool.members ?? [] where !described.contains(member.key) {
      count(member.value, of: member.key)
    }
  }

  /// Counts what a member outside the messages names: each name once.
  private mutating func count(_ value: Document, of key: String) {
    if let text = value.string {
      let isName = Self.isNaming(key) || Self.readMembers.contains(Self.plain(key))
      let names = (isName && !text.isEmpty && !text.hasPrefix("data:")) || Self.isAddress(text)
      if names { references += 1 }
    } else if let elements = value.array {
      for element in elements { count(element, of: key) }
    } else if let members = value.members {
      let before = references
      for member in members { count(member.value, of: member.key) }
      let isUnknown = !members.contains {
        ["data", "file_data", "content", "text"].contains($0.key)
          || $0.value.string?.hasPrefix("data:") == true || $0.value.members != nil
          || $0.value.array != nil
      }
      // A file that says neither what it is nor where.
      if references == before, isUnknown, !members.isEmpty,
        Self.readMembers.contains(Self.plain(key))
      {
        references += 1
      }
    }
  }

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
    if isText(part) {
      countBeside(part)
    } else if !isInline(part) {
      references += 1
    }
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

  /// What else a text may bring that is read in its place: servers differ in what they look at.
  private mutating func countBeside(_ text: Document) {
    let isPlain = text["type"]?.string.map(Self.plainTypes.contains) ?? true
    for member in text.members ?? [] {
      if Self.fileMembers.contains(member.key) || member.key == "source" {
        // A result of a search says where it is from in one word.
        guard isPlain || member.value.string == nil else { continue }
        let isAlone = member.value.string.map { !$0.hasPrefix("data:") } ?? false
        let files = member.value.array ?? [member.value]
        references += isAlone ? 1 : files.count { !$0.isNull && !isInline($0) && !isHeld($0) }
      } else if isPlain, member.key != "id", Self.isNaming(member.key) {
        count(member.value, of: member.key)
      }
    }
  }

  private static let plainTypes: Set<String> = ["text", "input_text", "output_text"]

  /// Whether the parts of what a text brings are counted by themselves.
  private func isHeld(_ file: Document) -> Bool { file["content"] != nil }

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

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

  /// Looks through the JSON of members that are read already. O(bytes).
  init(_ parts: [ArraySlice<UInt8>]) {
    for part in parts {
      // Parts stand in a list; a message that is one text needs no reading.
      guard part.dropFirst().contains(UInt8(ascii: "[")) else { continue }
      guard let document = try? JSONReader.read(Array(part)) else {
        isKnown = false
        continue
      }
      look(document)
    }
  }

  private mutating func look(_ document: Document) {
    if let elements = document.array { for element in elements { look(element) } }
    guard let members = document.members else { return }
    if isImage(document) {
      images += 1
      imageBytes += inlineBytes(document)
      return
    }
    if isFile(document), !isInline(document) { references += 1 }
    for member in members { look(member.value) }
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

  private func isFile(_ part: Document) -> Bool {
    switch part["type"]?.string {
    case "file", "input_file", "document", "video_url", "input_video", "video", "container_upload":
      true
    default: false
    }
  }

  /// Whether a file's bytes, which bound its tokens, are in the request.
  private func isInline(_ part: Document) -> Bool {
    let holders = [part, part["file"], part["source"], part["video_url"]]
    return holders.contains { holder in
      holder?["file_data"]?.string != nil || holder?["data"]?.string != nil
        || holder?["content"] != nil || holder?["url"]?.string?.hasPrefix("data:") == true
    }
  }
}

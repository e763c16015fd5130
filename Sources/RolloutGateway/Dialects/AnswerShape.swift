import DocumentKit

// What a provider sends counts as an answer where a client can make something of it: a text (one
// without a character too), calls that name what is called, a refusal, sound. Anything else in
// their place is no answer, and the next target is asked.

extension Document {
  /// Why an answer may have got no further than its role.
  private static let cutShort: Set<String> = ["length", "content_filter"]
  /// The same in Anthropic's words.
  private static let stoppedShort: Set<String> = [
    "max_tokens", "model_context_window_exceeded", "refusal", "pause_turn", "stop_sequence",
  ]

  /// Whether this reason of OpenAI's to finish explains an answer without content.
  static func explainsNothing(finish: String?) -> Bool { cutShort.contains(finish ?? "") }

  /// Whether this reason of Anthropic's to stop does.
  static func explainsNothing(stop: String?) -> Bool { stoppedShort.contains(stop ?? "") }

  /// Whether a choice of a chat completion answers, or says why it does not.
  var isAnswer: Bool {
    guard let message = self["message"], message.members?.isEmpty == false,
      self["finish_reason"]?.isReason ?? true
    else { return false }
    let parts = [
      message["content"].map(\.isContent), message["tool_calls"].map(\.isCalls),
      message["function_call"].map(\.isNamed), message["refusal"].map { $0.string != nil },
      message["audio"].map { $0.members?.isEmpty == false },
    ]
    let names = ["content", "tool_calls", "function_call", "refusal", "audio"]
    let told = zip(names, parts).filter { name, _ in
      message[name]?.isNull == false && !(name == "tool_calls" && message[name]?.array == [])
    }
    return told.allSatisfy { $0.1 == true }
      && (!told.isEmpty || Self.explainsNothing(finish: self["finish_reason"]?.string))
  }

  /// Whether the content of a message of Anthropic's answers, or `stop` says why it does not.
  func isMessage(stop: Document?) -> Bool {
    guard let blocks = array, blocks.allSatisfy(\.isBlock), stop?.isReason ?? true else {
      return false
    }
    return !blocks.isEmpty || Self.explainsNothing(stop: stop?.string)
  }

  private var isReason: Bool { isNull || string != nil }

  private var isContent: Bool {
    guard let parts = array else { return string != nil }
    return !parts.isEmpty && parts.allSatisfy(\.isBlock)
  }

  /// Whether it says what it is, and has what that is made of.
  private var isBlock: Bool {
    guard let type = self["type"]?.string, !type.isEmpty else { return false }
    switch type {
    case "text": return self["text"]?.string != nil
    case "tool_use": return isNamed
    default: return true
    }
  }

  private var isCalls: Bool {
    array?.allSatisfy { call in
      call["function"]?.isNamed == true || call["custom"]?.isNamed == true
    } == true
  }

  /// Whether it names what is called, with arguments that are some.
  private var isNamed: Bool {
    guard let name = self["name"]?.string, !name.isEmpty else { return false }
    guard let arguments = self["arguments"] else { return true }
    return arguments.isNull || arguments.string != nil || arguments.members != nil
  }
}

extension RawValue {
  /// Whether it may be why an answer has ended: a word, or nothing yet.
  var isReason: Bool { isNull || isText }

  /// What a chunk's delta brings; nil for what no client can read. O(bytes).
  var piece: AnswerPiece? {
    guard isObject else { return isNull ? AnswerPiece() : nil }
    var piece = AnswerPiece()
    for name in ["content", "refusal"] as [StaticString] {
      guard let text = self[name], !text.isNull else { continue }
      guard text.isText || !text.elements.isEmpty && text.elements.allSatisfy(\.isObject) else {
        return nil
      }
      piece.isSign = true
      piece.isFilled = piece.isFilled || !text.isText || text.isFilledText
    }
    if let calls = self["tool_calls"], !calls.isNull, !calls.isEmptyList {
      guard !calls.elements.isEmpty else { return nil }
      for call in calls.elements {
        guard let part = call["function"] ?? call["custom"] ?? call["id"],
          part.isObject || part.isText
        else { return nil }
        let isNamed = part["name"]?.isFilledText == true
        piece.isSign = piece.isSign || isNamed
        piece.isFilled =
          piece.isFilled || isNamed || part["arguments"]?.isFilledText == true
          || part["input"]?.isFilledText == true
      }
    }
    if self["function_call"]?["name"]?.isFilledText == true || self["audio"]?.isObject == true {
      piece.isSign = true
    }
    return piece
  }
}

/// What a piece of a streamed answer brings.
struct AnswerPiece {
  /// Whether it shows that there is an answer, be it a text without a character.
  var isSign = false
  /// Whether there is something in it for whoever reads.
  var isFilled = false
}

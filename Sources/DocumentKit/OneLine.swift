extension String {
  /// The text as one line that shows all of itself: control and format characters (line breaks,
  /// escape sequences, marks that turn the writing direction, characters without width) are written
  /// out, `\n` and `\u{202E}`. For every place where what others wrote stands in a line or a cell.
  package var onOneLine: String {
    guard unicodeScalars.contains(where: \.isUnprintable) else { return self }
    var text = ""
    for scalar in unicodeScalars {
      guard scalar.isUnprintable else {
        text.unicodeScalars.append(scalar)
        continue
      }
      switch scalar {
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      default: text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      }
    }
    return text
  }
}

extension Unicode.Scalar {
  /// Whether a terminal or a chat would act on it, or show nothing, instead of showing it.
  fileprivate var isUnprintable: Bool {
    if value >= 0x20, value < 0x7F { return false }
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse:
      return true
    default:
      // What picks the form of an emoji is harmless; a filler is a space that cannot be seen.
      return properties.isDefaultIgnorableCodePoint && !properties.isVariationSelector
    }
  }
}

extension String {
  /// JSON text in which what a terminal would act on is written as JSON writes it. Such characters
  /// stand in texts only, so it means the same.
  package var asciiControls: String {
    guard unicodeScalars.contains(where: \.isUnprintable) else { return self }
    var text = ""
    for scalar in unicodeScalars {
      guard scalar.isUnprintable, scalar != "\n", scalar != "\r", scalar != "\t" else {
        text.unicodeScalars.append(scalar)
        continue
      }
      for unit in UTF16.encode(scalar) ?? .init() {
        let digits = String(unit, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
    }
    return text
  }
}

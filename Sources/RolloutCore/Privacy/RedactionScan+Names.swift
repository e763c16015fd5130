/// Values that their name gives away.
extension RedactionScan {
  /// Quotes as they are written where quotes mean something else.
  private static let quoteWords: [StaticString] = ["&quot;", "&#34;", "&#39;", "&apos;"]

  /// At a `:` or `=` of so many bytes: what follows, when what stands before says that it is a
  /// secret.
  mutating func namedValue(width: Int = 1) -> Span? {
    // Blanks, also those that do not break.
    var place = back(over: { [0x09, 0x20, 0xA0, 0xC2].contains($0) }, from: index, most: 4)
    // Quotes, and what makes letters bold.
    var quoted = back(
      over: { $0.isQuote || [0x5C, 0x2A].contains($0) }, from: place, most: 4)
    for word in Self.quoteWords where has(word, at: place - word.utf8CodeUnitCount) {
      quoted = place - word.utf8CodeUnitCount
    }
    let hasQuotes = quoted < place
    place = quoted
    var name = word(before: place)
    if ["is", "was", "ist", "est", "es"].contains(SecretName.plain(name)) {
      place = back(over: { $0 == 0x20 }, from: name.startIndex, most: 2)
      name = word(before: place)
    }
    guard SecretName.isSecret(name) || isSecretPair(name) else { return userAndPassword(name) }
    let before = at(name.startIndex - 1)
    let opened = !hasQuotes && before.isQuote ? before : nil
    return value(from: index + width, takesLine: SecretName.takesLine(name), opened: opened)
  }

  /// At a `%` that begins a `=` or `:` of an address, encoded once or more often.
  mutating func encodedValue() -> Span? {
    var place = index + 1
    while place - index < 9, has("25", at: place) { place += 2 }
    guard at(place) == UInt8(ascii: "3"), [0x41, 0x44].contains(at(place + 1) & 0xDF) else {
      return nil
    }
    return namedValue(width: place + 2 - index)
  }

  /// At the `>` of `<password>…`: up to the next tag.
  mutating func element() -> Span? {
    let name = word(before: index)
    guard at(name.startIndex - 1) == UInt8(ascii: "<"), SecretName.isSecret(name) else {
      return nil
    }
    return secret((index + 1)..<end(from: index + 1) { $0 != UInt8(ascii: "<") })
  }

  /// `-u name:password`, as programs that fetch take it.
  private mutating func userAndPassword(_ name: ArraySlice<UInt8>) -> Span? {
    let flag = back(
      over: { $0 == 0x20 || $0.isQuote || $0 == 0x3D }, from: name.startIndex, most: 2)
    guard flag < name.startIndex, has("-u", at: flag - 2) || has("--user", at: flag - 6) else {
      return nil
    }
    return secret((index + 1)..<end(from: index + 1) { !$0.isSpace && !$0.isQuote })
  }

  private mutating func back(
    over belongs: (UInt8) -> Bool, from start: Int, most: Int
  ) -> Int {
    var place = start
    while place > 0, start - place < most, belongs(at(place - 1)) { place -= 1 }
    return place
  }

  private mutating func word(before end: Int) -> ArraySlice<UInt8> {
    let start = back(
      over: { $0.isKey || $0 == UInt8(ascii: ".") }, from: end, most: SecretName.lengthMax)
    return bytes[start..<end]
  }

  /// `api key`, `access key`: two words.
  private mutating func isSecretPair(_ name: ArraySlice<UInt8>) -> Bool {
    guard SecretName.plain(name) == "key", at(name.startIndex - 1) == 0x20 else { return false }
    let first = SecretName.plain(word(before: name.startIndex - 1))
    return ["api", "access", "secret", "private", "account", "license", "licence", "encryption"]
      .contains(first)
  }

  /// A value from a place on: in its quotes, to the end of its line, or to the next space.
  private mutating func value(from start: Int, takesLine: Bool, opened: UInt8?) -> Span? {
    var place = end(from: start, most: 8) {
      $0.isSpace || [0x3D, 0x3A, 0x3E, 0x2A].contains($0)
    }
    if !takesLine, let rest = afterScheme(place) { place = rest }
    for word in Self.quoteWords where has(word, at: place) { place += word.utf8CodeUnitCount }
    if let whole = bracketed(place) ?? block(place) { return whole }
    let slashes = end(from: place, most: 4) { $0 == UInt8(ascii: "\\") }
    let quote = at(slashes)
    if quote.isQuote {
      // Three of them are one.
      let isTriple = at(slashes + 1) == quote && at(slashes + 2) == quote
      let first = slashes + (isTriple ? 3 : 1)
      return secret(first..<closing(quote, from: first, isEscaped: slashes > place))
    }
    let stop =
      takesLine
      ? end(from: place) { $0 != 0x0A && $0 != 0x0D && $0 != opened }
      : end(from: place) { !$0.isSpace && !$0.isQuote && $0 != 0x26 && $0 != 0x3C }
    var last = stop
    // What ends the sentence or the list belongs to it and not to the secret.
    while last > place, [0x2C, 0x3B, 0x2E, 0x29, 0x7D, 0x5D].contains(at(last - 1)) { last -= 1 }
    return secret(place..<last)
  }

  /// A list or an object, to its end; of one that is never closed, the end of all.
  private mutating func bracketed(_ start: Int) -> Span? {
    let open = at(start)
    guard open == UInt8(ascii: "[") || open == UInt8(ascii: "{") else { return nil }
    // Both close two letters after they open.
    let close = open + 2
    var depth = 0
    var place = start
    while place < bytes.count {
      let byte = at(place)
      if byte == open { depth += 1 }
      if byte == close { depth -= 1 }
      place += 1
      if depth == 0 { break }
    }
    return Span(start: start, end: place, name: "key")
  }

  /// `|` and the lines below that are indented, as YAML writes texts.
  private mutating func block(_ start: Int) -> Span? {
    guard at(start) == UInt8(ascii: "|") else { return nil }
    var place = end(from: start + 1, most: 3) { $0 != 0x0A }
    guard at(place) == 0x0A, at(place + 1) == 0x20 || at(place + 1) == 0x09 else { return nil }
    let first = place + 1
    while at(place) == 0x0A, at(place + 1) == 0x20 || at(place + 1) == 0x09 {
      place = end(from: place + 1) { $0 != 0x0A }
    }
    return Span(start: first, end: place, name: "key")
  }

  /// The end of a quoted value; of one that is never closed, the end of all.
  private mutating func closing(_ quote: UInt8, from start: Int, isEscaped: Bool) -> Int {
    var place = start
    while place < bytes.count {
      let byte = at(place)
      if byte == quote { return isEscaped && place > start ? place - 1 : place }
      if byte == UInt8(ascii: "\\"), !isEscaped { place += 1 }
      place += 1
    }
    return bytes.count
  }

  private func secret(_ range: Range<Int>) -> Span? {
    guard !range.isEmpty else { return nil }
    if range.count <= 9 {
      let word = SecretName.plain(bytes[range])
      let isNothing = ["null", "true", "false", "none", "nil", "undefined"].contains(word)
      if isNothing, word.utf8.count == range.count { return nil }
    }
    return Span(start: range.lowerBound, end: range.upperBound, name: "key")
  }

  /// Past `Bearer `, `Basic ` and `Token `.
  private mutating func afterScheme(_ place: Int) -> Int? {
    let stop = end(from: place, most: 8) { $0.isLetter }
    guard at(stop) == 0x20 || at(stop) == 0x09,
      ["bearer", "basic", "token"].contains(SecretName.plain(bytes[place..<stop]))
    else { return nil }
    return end(from: stop, most: 4) { $0 == 0x20 || $0 == 0x09 }
  }

  /// At a word: `Bearer …`, `Basic …`, `password …`, `the token is …`, without a colon.
  mutating func spokenSecret() -> Span? {
    let stop = end(from: index, most: 16) { $0.isLetter || $0 == UInt8(ascii: "_") }
    guard at(stop) == 0x20 || at(stop) == 0x09 else { return nil }
    let word = SecretName.plain(bytes[index..<stop])
    let isScheme = word == "bearer" || word == "basic"
    guard isScheme || SecretName.isSecret(bytes[index..<stop]) else { return nil }
    var place = end(from: stop, most: 4) { $0 == 0x20 || $0 == 0x09 }
    for verb in ["is ", "was "] as [StaticString] where !isScheme && has(verb, at: place) {
      place += verb.utf8CodeUnitCount
    }
    let quote = at(place)
    if quote.isQuote {
      let close = end(from: place + 1, most: 256) { $0 != quote && $0 != 0x0A }
      return at(close) == quote ? secret((place + 1)..<close) : nil
    }
    let last = end(from: place) { !$0.isSpace && !$0.isQuote && $0 != 0x2C && $0 != 0x3C }
    guard last - place >= 6, looksMade(place..<last) else { return nil }
    return secret(place..<last)
  }

  /// Whether a word is more likely made than written: a digit, or marks and large letters inside.
  private mutating func looksMade(_ range: Range<Int>) -> Bool {
    steps += range.count
    let inner = bytes[range].dropFirst().dropLast()
    return bytes[range].contains { $0.isDigit }
      || inner.contains { $0.isLarge || [0x2E, 0x2B, 0x2F, 0x3D, 0x5F, 0x24, 0x21].contains($0) }
  }
}

extension UInt8 {
  fileprivate var isQuote: Bool { self == 0x22 || self == 0x27 || self == 0x60 }
}

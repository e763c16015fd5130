extension String {
  /// Byte by byte; `==` would take canonically equivalent texts for the same.
  func hasSameBytes(as other: String) -> Bool {
    utf8.count == other.utf8.count && holds(other, at: 0)
  }

  /// Whether the bytes of `part` stand at `offset`; false where they do not fit.
  func holds(_ part: String, at offset: Int) -> Bool {
    guard offset >= 0, offset + part.utf8.count <= utf8.count else { return false }
    let whole = utf8.span
    let wanted = part.utf8.span
    for index in wanted.indices where whole[offset + index] != wanted[index] { return false }
    return true
  }

  /// Whether the bytes of `part` stand anywhere in it. Linear whatever they are (Rabin and Karp):
  /// the plain way would look at each of them for every byte of `part`.
  func holds(_ part: String) -> Bool {
    let text = utf8.span
    let wanted = part.utf8.span
    guard !wanted.isEmpty, wanted.count <= text.count else { return wanted.isEmpty }
    let base: UInt64 = 0x9E37_79B9_7F4A_7C15
    var (sought, rolling, top): (UInt64, UInt64, UInt64) = (0, 0, 1)
    for index in wanted.indices {
      sought = sought &* base &+ UInt64(wanted[index])
      rolling = rolling &* base &+ UInt64(text[index])
      if index > 0 { top = top &* base }
    }
    for end in wanted.count..<text.count {
      let start = end - wanted.count
      if rolling == sought, holds(part, at: start) { return true }
      rolling = (rolling &- UInt64(text[start]) &* top) &* base &+ UInt64(text[end])
    }
    return rolling == sought && holds(part, at: text.count - wanted.count)
  }
}

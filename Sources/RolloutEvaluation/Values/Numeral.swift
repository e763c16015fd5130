/// A number as rules compare it: by its value, exactly, however it is spelt. An id of 64 bits is
/// not the one beside it, and 1e3 is 1000.
package enum Numeral: Sendable, Hashable {
  case whole(Int128)
  /// What `whole` cannot hold, and nothing else.
  case decimal(DecimalNumber)

  /// Of 0.d₁d₂… × 10^n: what is larger, many who read a plan take for no number.
  private static let exponentMax = 309

  package init(_ number: DecimalNumber) {
    self = number.whole().map(Numeral.whole) ?? .decimal(number)
  }

  /// Reads JSON's syntax of a number and no other: neither `inf` nor `0x20`, `+1` or ` 1`.
  package init?(_ text: some StringProtocol) {
    // Most are short and whole, and rules read many.
    if text.utf8.count < 19, text.utf8.first.map({ (0x31...0x39).contains($0) }) == true,
      let whole = Int(text)
    {
      self = .whole(Int128(whole))
      return
    }
    guard let number = DecimalNumber(text) else { return nil }
    self.init(number)
  }

  /// Whether a rule may name it.
  package var isKept: Bool {
    if case .decimal(let number) = self { return number.exponent <= Self.exponentMax }
    return true
  }

  /// Bytes to look at where it is compared.
  var size: Int {
    if case .decimal(let number) = self { return number.digits.count }
    return 0
  }
}

extension Numeral: Comparable {
  package static func < (a: Numeral, b: Numeral) -> Bool {
    switch (a, b) {
    case (.whole(let a), .whole(let b)): a < b
    case (.decimal(let a), .decimal(let b)): a < b
    // A decimal lies strictly between two whole numbers, or beyond them all.
    case (.whole(let a), .decimal(let b)): b.floor.map { a <= $0 } ?? !b.isNegative
    case (.decimal(let a), .whole(let b)): a.floor.map { $0 < b } ?? a.isNegative
    }
  }
}

extension Numeral: ExpressibleByIntegerLiteral {
  package init(integerLiteral value: Int) { self = .whole(Int128(value)) }
}

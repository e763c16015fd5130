/// A number as rules compare it: whole numbers exactly, whatever their size, others as binary
/// floating point. An id of 64 bits is not the one beside it.
package enum Numeral: Sendable, Hashable {
  /// Every whole number of up to 38 digits.
  case whole(Int128)
  /// Any other; infinite for what is larger than a `Double`. Never NaN, never a whole number that
  /// `whole` could hold.
  case fraction(Double)

  /// Below this a whole `Double` fits an `Int128`.
  private static let wholeMax = 1e38

  /// NaN, which JSON cannot spell, counts as infinite.
  package init(_ number: Double) {
    if number.magnitude < Self.wholeMax, number == number.rounded() {
      self = .whole(Int128(number))
    } else {
      self = .fraction(number.isNaN ? .infinity : number)
    }
  }

  /// Reads JSON's syntax of a number and no other: neither `inf` nor `0x20`, `+1` or ` 1`.
  package init?(_ text: String) {
    guard Self.isJSON(text.utf8) else { return nil }
    if let whole = Int128(text) {
      self = .whole(whole)
    } else if let point = text.utf8.firstIndex(of: UInt8(ascii: ".")),
      text[point...].utf8.dropFirst().allSatisfy({ $0 == UInt8(ascii: "0") }),
      let whole = Int128(text[..<point])
    {
      self = .whole(whole)
    } else if let number = Double(text) {
      self.init(number)
    } else {
      return nil
    }
  }

  package var isFinite: Bool {
    if case .fraction(let number) = self { return number.isFinite }
    return true
  }

  /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?` (RFC 8259 §6).
  private static func isJSON(_ text: String.UTF8View) -> Bool {
    var rest = text[...]
    func take(_ characters: Unicode.Scalar...) -> Bool {
      guard let first = rest.first, characters.contains(Unicode.Scalar(first)) else { return false }
      rest.removeFirst()
      return true
    }
    func takeDigits() -> Bool {
      let digits = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }
      rest = rest.dropFirst(digits.count)
      return !digits.isEmpty
    }
    _ = take("-")
    guard take("0") || takeDigits() else { return false }
    if take("."), !takeDigits() { return false }
    if take("e", "E") {
      _ = take("+", "-")
      guard takeDigits() else { return false }
    }
    return rest.isEmpty
  }
}

extension Numeral: Comparable {
  package static func < (a: Numeral, b: Numeral) -> Bool {
    switch (a, b) {
    case (.whole(let a), .whole(let b)): a < b
    case (.fraction(let a), .fraction(let b)): a < b
    // A fraction lies strictly between two whole numbers, or beyond them all.
    case (.whole(let a), .fraction(let b)):
      b.magnitude < wholeMax ? a <= Int128(b.rounded(.down)) : b > 0
    case (.fraction(let a), .whole(let b)):
      a.magnitude < wholeMax ? Int128(a.rounded(.up)) <= b : a < 0
    }
  }
}

extension Numeral: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
  package init(integerLiteral value: Int) { self = .whole(Int128(value)) }
  package init(floatLiteral value: Double) { self.init(value) }
}

/// The value of a number that JSON spells, exactly: 0.d₁d₂d₃… × 10^exponent, whatever its length.
/// What is spelt otherwise and means the same is equal.
package struct DecimalNumber: Sendable, Hashable {
  /// 0–9 each, without zeros at either end; none for 0.
  package private(set) var digits: [UInt8] = []
  /// 0 for 0.
  package private(set) var exponent = 0
  package private(set) var isNegative = false

  /// Exponents beyond are as large as can be: nobody means them.
  private static let exponentMax = 1_000_000_000_000

  /// Reads `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?` (RFC 8259 §6) and nothing else:
  /// neither `inf` nor `0x20`, `+1` or ` 1`.
  package init?(_ text: some StringProtocol) {
    var rest = Substring(text).utf8
    func take(_ characters: Unicode.Scalar...) -> Bool {
      guard let first = rest.first, characters.contains(Unicode.Scalar(first)) else { return false }
      rest.removeFirst()
      return true
    }
    func takeDigits() -> Substring.UTF8View? {
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      rest = rest.dropFirst(digits.count)
      return digits.isEmpty ? nil : digits
    }
    let isBelowZero = take("-")
    guard let whole = takeDigits(), whole.count == 1 || whole.first != 0x30 else { return nil }
    var fraction = Substring().utf8
    if take(".") {
      guard let digits = takeDigits() else { return nil }
      fraction = digits
    }
    var power = 0
    if take("e", "E") {
      let isSmall = take("-")
      if !isSmall { _ = take("+") }
      guard let digits = takeDigits() else { return nil }
      power = min(Int(Substring(digits)) ?? Self.exponentMax, Self.exponentMax)
      if isSmall { power = -power }
    }
    guard rest.isEmpty else { return nil }
    let all = Array(whole) + fraction
    guard let first = all.firstIndex(where: { $0 != 0x30 }),
      let last = all.lastIndex(where: { $0 != 0x30 })
    else { return }
    digits = all[first...last].map { $0 - 0x30 }
    exponent = whole.count - first + power
    isNegative = isBelowZero
  }

  private var isWhole: Bool { digits.isEmpty || digits.count <= exponent }

  /// The largest whole number that is not larger; nil where it is beyond what that can be.
  package var floor: Int128? {
    var value: Int128 = 0
    for place in 0..<max(0, exponent) {
      let digit = Int128(place < digits.count ? digits[place] : 0)
      let (tens, isTooMany) = value.multipliedReportingOverflow(by: 10)
      let (next, isTooLarge) =
        isNegative ? tens.subtractingReportingOverflow(digit) : tens.addingReportingOverflow(digit)
      if isTooMany || isTooLarge { return nil }
      value = next
    }
    guard isNegative, !isWhole else { return value }
    let (below, isTooLarge) = value.subtractingReportingOverflow(1)
    return isTooLarge ? nil : below
  }

  /// The whole number that it is; nil where it is none, or `Whole` cannot hold it.
  package func whole<Whole: FixedWidthInteger>(as type: Whole.Type = Whole.self) -> Whole? {
    isWhole ? floor.flatMap { Whole(exactly: $0) } : nil
  }

  /// As JSON spells it, in one way for each number.
  package var text: String {
    guard let first = digits.first else { return "0" }
    let sign = isNegative ? "-" : ""
    func spelt(_ digits: some Sequence<UInt8>) -> String { digits.map { String($0) }.joined() }
    switch exponent {
    case -6...0:
      return "\(sign)0.\(String(repeating: "0", count: -exponent))\(spelt(digits))"
    case 1..<max(1, digits.count):
      return "\(sign)\(spelt(digits[..<exponent])).\(spelt(digits[exponent...]))"
    case digits.count...max(digits.count, 38):
      return "\(sign)\(spelt(digits))\(String(repeating: "0", count: exponent - digits.count))"
    default:
      let others = digits.count > 1 ? ".\(spelt(digits.dropFirst()))" : ""
      return "\(sign)\(first)\(others)e\(exponent - 1)"
    }
  }
}

extension DecimalNumber: Comparable {
  package static func < (a: DecimalNumber, b: DecimalNumber) -> Bool {
    guard a.sign == b.sign else { return a.sign < b.sign }
    return a.isNegative ? isSmaller(b, a) : isSmaller(a, b)
  }

  private var sign: Int { digits.isEmpty ? 0 : isNegative ? -1 : 1 }

  /// Of two numbers without their signs, neither of them 0 alone.
  private static func isSmaller(_ a: DecimalNumber, _ b: DecimalNumber) -> Bool {
    guard a.exponent == b.exponent else { return a.exponent < b.exponent }
    return a.digits.lexicographicallyPrecedes(b.digits)
  }
}

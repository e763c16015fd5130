/// An amount of US dollars in whole nano-dollars. Sums are exact and stop at the largest amount.
package struct Money: Sendable, Hashable, Comparable {
  package var nanodollars: Int

  package init(nanodollars: Int) { self.nanodollars = nanodollars }

  package static let zero = Money(nanodollars: 0)

  package func adding(_ other: Money) -> Money {
    let (sum, overflow) = nanodollars.addingReportingOverflow(other.nanodollars)
    return Money(nanodollars: overflow ? Int.max : sum)
  }

  /// What so many tokens cost, rounded up to a whole nano-dollar.
  package static func of(tokens: Int, perMillion price: Money) -> Money {
    let (product, overflow) = max(0, tokens).multipliedReportingOverflow(by: price.nanodollars)
    guard !overflow else { return Money(nanodollars: Int.max) }
    return Money(nanodollars: product / 1_000_000 + (product % 1_000_000 == 0 ? 0 : 1))
  }

  /// Reads `$0.02` or `0.02`, up to nine decimals; nil for anything else.
  package init?(_ text: String) {
    let digits = text.hasPrefix("$") ? text.dropFirst() : Substring(text)
    guard digits.first != "-", let value = parseFixed(digits, decimals: 9), value <= 1 << 60 else {
      return nil
    }
    nanodollars = value
  }

  /// `$0.02`
  package var text: String { "$" + formatFixed(nanodollars, decimals: 9) }
  package var dollars: Double { Double(nanodollars) / 1e9 }

  package static func < (a: Money, b: Money) -> Bool { a.nanodollars < b.nanodollars }
}

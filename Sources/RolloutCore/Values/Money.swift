import DocumentKit
import RolloutEvaluation

/// An amount of US dollars in whole nano-dollars. Sums are exact and stop at the largest amount.
package struct Money: Sendable, Hashable, Comparable {
  package var nanodollars: Int

  package init(nanodollars: Int) { self.nanodollars = nanodollars }

  package static let zero = Money(nanodollars: 0)

  package func adding(_ other: Money) -> Money {
    Money(nanodollars: nanodollars.adding(other.nanodollars))
  }

  /// What so many tokens cost, rounded up to a whole nano-dollar.
  package static func of(tokens: Int, perMillion price: Money) -> Money {
    let million = UInt(1_000_000)
    let product = UInt(max(0, tokens)).multipliedFullWidth(by: UInt(max(0, price.nanodollars)))
    // The quotient would not fit.
    guard product.high < million else { return Money(nanodollars: Int.max) }
    let (whole, rest) = million.dividingFullWidth(product)
    return Money(nanodollars: Int(clamping: whole).adding(rest == 0 ? 0 : 1))
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

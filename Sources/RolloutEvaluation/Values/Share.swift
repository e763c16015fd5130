/// A share of all users or requests, in thousandths of a percent: `0...100_000`, exact.
package struct Share: Sendable, Hashable, Comparable {
  package let thousandths: Int

  /// Clamped into `0...100_000`.
  package init(thousandths: Int) { self.thousandths = min(max(thousandths, 0), 100_000) }

  package static func percent(_ percent: Int) -> Share { Share(thousandths: percent * 1000) }
  package static let none = Share(thousandths: 0)
  package static let all = Share(thousandths: 100_000)

  package var fraction: Double { Double(thousandths) / 100_000 }

  package static func < (a: Share, b: Share) -> Bool { a.thousandths < b.thousandths }

  /// Reads `5`, `5%`, `0.5 %`: percent, up to three decimals. nil when it is anything else.
  package init?(_ text: String) {
    let digits = text.hasSuffix("%") ? text.dropLast() : Substring(text)
    guard let thousandths = parseFixed(digits, decimals: 3), thousandths <= 100_000 else {
      return nil
    }
    self.init(thousandths: thousandths)
  }

  /// `5 %`, `0.5 %`.
  package var text: String {
    formatFixed(thousandths, decimals: 3) + " %"
  }

  /// `5%`, as plan files write it.
  package var compact: String { formatFixed(thousandths, decimals: 3) + "%" }
}

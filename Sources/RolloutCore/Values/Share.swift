import DocumentKit

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

  /// Why a bare number above 0 and below 1 is not taken for a share: `0.25` may be a quarter of all
  /// or of a hundredth. nil for every other text.
  package static func doubt(about text: String) -> String? {
    guard !text.contains("%"), let share = Share(text), share > .none, share < .percent(1) else {
      return nil
    }
    let whole = Share(thousandths: share.thousandths * 100)
    return "\(quoted(text)) may mean \(share.compact) or \(whole.compact); write which."
  }

  /// `5 %`, `0.5 %`.
  package var text: String {
    formatFixed(thousandths, decimals: 3) + " %"
  }

  /// `5%`, as plan files write it.
  package var compact: String { formatFixed(thousandths, decimals: 3) + "%" }
}

/// Reads a non-negative decimal such as `12.5` as an integer count of `10^-decimals`; spaces around
/// it are allowed, signs, exponents and further decimals are not.
func parseFixed(_ text: Substring, decimals: Int, digitsMax: Int = 12) -> Int? {
  var text = text
  while text.first == " " { text.removeFirst() }
  while text.last == " " { text.removeLast() }
  let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
  let fraction = parts.count == 2 ? parts[1] : ""
  guard !parts[0].isEmpty, parts[0].count <= digitsMax, fraction.count <= decimals,
    parts.count == 1 || !fraction.isEmpty,
    (parts[0] + fraction).utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
  else { return nil }
  let padding = String(repeating: "0", count: decimals - fraction.count)
  return Int(parts[0] + fraction + padding)
}

/// `12500` with three decimals → `12.5`.
func formatFixed(_ value: Int, decimals: Int) -> String {
  var scale = 1
  for _ in 0..<decimals { scale *= 10 }
  let whole = String(value / scale)
  var fraction = String(value % scale)
  fraction = String(repeating: "0", count: decimals - fraction.count) + fraction
  while fraction.last == "0" { fraction.removeLast() }
  return fraction.isEmpty ? whole : "\(whole).\(fraction)"
}

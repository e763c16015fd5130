/// Reads a non-negative decimal such as `12.5` as an integer count of `10^-decimals`; spaces around
/// it are allowed, signs, exponents and further decimals are not.
package func parseFixed(_ text: Substring, decimals: Int, digitsMax: Int = 12) -> Int? {
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
package func formatFixed(_ value: Int, decimals: Int) -> String {
  var scale = 1
  for _ in 0..<decimals { scale *= 10 }
  let whole = String(value / scale)
  var fraction = String(value % scale)
  fraction = String(repeating: "0", count: decimals - fraction.count) + fraction
  while fraction.last == "0" { fraction.removeLast() }
  return fraction.isEmpty ? whole : "\(whole).\(fraction)"
}

import DocumentKit

/// `0.0612` → `6.1 %`; below 0.1 % two digits that count, so that what is not nothing is never
/// `0 %`: `0.000333` → `0.033 %`.
package func percent(_ fraction: Double) -> String {
  var scale = 10.0
  if fraction > 0, fraction < 0.001 {
    while fraction * 100 * scale < 10, scale < 1e4 { scale *= 10 }
  }
  return shortestText(of: (fraction * 100 * scale).rounded() / scale) + " %"
}

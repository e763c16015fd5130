import DocumentKit

/// `0.0612` → `6.1 %`.
package func percent(_ fraction: Double) -> String {
  shortestText(of: (fraction * 1000).rounded() / 10) + " %"
}

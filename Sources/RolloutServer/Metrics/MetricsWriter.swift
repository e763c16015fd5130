import DocumentKit

/// Writes the Prometheus text format, version 0.0.4.
struct MetricsWriter {
  private(set) var text = ""

  /// Begins a metric: its help and type. `type` is `counter`, `gauge` or `histogram`.
  mutating func metric(_ name: String, _ type: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
  }

  mutating func sample(_ name: String, _ labels: KeyValuePairs<String, String>, _ value: Int) {
    line(name, labels, String(value))
  }

  mutating func sample(_ name: String, _ labels: KeyValuePairs<String, String>, _ value: Double) {
    line(name, labels, shortestText(of: value))
  }

  /// A histogram of `bounds` with its counts per bucket, not cumulated.
  mutating func histogram(
    _ name: String, _ labels: [(name: String, value: String)], bounds: [String], counts: [Int],
    sum: String, count: Int
  ) {
    let shared = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
    var total = 0
    for (bound, inside) in zip(bounds, counts) {
      total += inside
      text += "\(name)_bucket{\((shared + ["le=\"\(bound)\""]).joined(separator: ","))} \(total)\n"
    }
    text += "\(name)_bucket{\((shared + ["le=\"+Inf\""]).joined(separator: ","))} \(count)\n"
    let braces = shared.isEmpty ? "" : "{\(shared.joined(separator: ","))}"
    text += "\(name)_sum\(braces) \(sum)\n\(name)_count\(braces) \(count)\n"
  }

  mutating func histogram(
    _ name: String, _ labels: [(name: String, value: String)], _ histogram: DurationHistogram
  ) {
    self.histogram(
      name, labels, bounds: DurationHistogram.bounds.map(shortestText),
      counts: histogram.counts, sum: shortestText(of: histogram.sum), count: histogram.count)
  }

  private mutating func line(
    _ name: String, _ labels: KeyValuePairs<String, String>, _ value: String
  ) {
    let pairs = labels.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
    text += pairs.isEmpty ? "\(name) \(value)\n" : "\(name){\(pairs)} \(value)\n"
  }

  private static func escaped(_ value: String) -> String {
    var out = ""
    for character in value.unicodeScalars {
      switch character {
      case "\\": out += "\\\\"
      case "\"": out += "\\\""
      case "\n": out += "\\n"
      default: out.unicodeScalars.append(character)
      }
    }
    return out
  }
}

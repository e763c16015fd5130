package import DocumentKit
import RolloutEvaluation

extension Document {
  /// Whether a reader of JSON would take both for the same: numbers by what they are and not by how
  /// they are spelt, the members of objects in any order. Linear in what the two hold.
  package func hasSameValue(as other: Document) -> Bool {
    switch (value, other.value) {
    case (.null, .null): return true
    case (.bool(let a), .bool(let b)): return a == b
    case (.string(let a), .string(let b)): return a == b
    case (.number(let a), .number(let b)): return a == b || Numeral(a) == Numeral(b)
    case (.array(let a), .array(let b)):
      return a.count == b.count && zip(a, b).allSatisfy { $0.hasSameValue(as: $1) }
    case (.object(let a), .object(let b)):
      guard a.count == b.count else { return false }
      let members = Dictionary(b.map { ($0.key, $0.value) }) { first, _ in first }
      return a.allSatisfy { members[$0.key]?.hasSameValue(as: $0.value) ?? false }
    default: return false
    }
  }
}

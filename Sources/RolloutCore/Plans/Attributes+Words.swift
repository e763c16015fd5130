import DocumentKit
package import RolloutEvaluation

extension Attributes.Excess {
  /// For people, as one sentence.
  package var words: String {
    switch self {
    case .count: "At most \(Attributes.countMax) attributes."
    case .nameSize: "The name of an attribute is at most \(Attributes.nameSizeMax) bytes."
    case .valueSize(let name):
      "The attribute \(quoted(name)) is longer than \(Attributes.valueSizeMax) bytes."
    }
  }
}

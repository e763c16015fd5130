import DocumentKit
import RolloutCore
import RolloutEvaluation

/// Values of other systems' rules, as ours name them.
enum Literals {
  /// The elements of a list, none where it is left out; nil for what is no list.
  static func list(_ document: Document?) -> [Document]? {
    guard let document, !document.isNull else { return [] }
    return document.array
  }

  /// Text, a number or a boolean; nil for the rest.
  static func value(_ document: Document) -> AttributeValue? {
    guard let value = AttributeValue(document) else { return nil }
    if case .list = value { return nil }
    if case .number(let number) = value, !number.isKept { return nil }
    return value
  }

  /// The elements of a list; nil where one is none, or there is none.
  static func values(_ document: Document) -> [AttributeValue]? {
    guard let elements = document.array, !elements.isEmpty else { return nil }
    let values = elements.compactMap(value)
    return values.count == elements.count ? values : nil
  }

  static func number(_ document: Document) -> Numeral? {
    guard case .number(let number) = value(document) else { return nil }
    return number
  }

  /// User ids that a list names: the texts and numbers of it.
  static func users(_ document: Document) -> [String]? {
    let elements = document.array ?? [document]
    let texts = elements.compactMap { $0.bool == nil ? $0.scalarText : nil }
    return texts.count == elements.count && texts.allSatisfy { !$0.isEmpty } ? texts : nil
  }
}

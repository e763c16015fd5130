import DocumentKit
import RolloutCore

/// Which value of a flag is on and which is off, when it gives at most two.
struct FlagValues {
  /// nil where true is on and false is off.
  private(set) var values: PlanDefinition.Values?
  private let on: Document
  private let off: Document

  func isOn(_ value: Document) -> Bool { value.hasSameValue(as: on) }

  /// `used` are all values that the flag may give; `off` is what it gives to all others, where it
  /// says so. Throws why there is no such pair, for people.
  init(_ used: [Document], off usual: Document?, all: [Document]) throws(Refusal) {
    var distinct: [Document] = []
    for value in used where !distinct.contains(where: value.hasSameValue(as:)) {
      distinct.append(value)
    }
    if distinct.allSatisfy({ $0.bool != nil }) {
      (on, off) = (.bool(true), .bool(false))
      return
    }
    if distinct.count == 1 {
      // What it could give besides, where that is one value.
      let others = all.filter { !$0.hasSameValue(as: distinct[0]) }
      if others.count == 1 { distinct.append(others[0]) }
    }
    guard distinct.count == 2 else {
      let words = distinct.prefix(4).map(\.jsonText).joined(separator: ", ")
      throw Refusal(
        why: distinct.count == 1
          ? "it always gives \(words): that is a setting and no rollout"
          : "it gives \(distinct.count) values (\(words)"
            + "\(distinct.count > 4 ? " …" : "")), and a plan gives one for on and one for off")
    }
    let isSecondOff = usual.map { $0.hasSameValue(as: distinct[1]) } ?? true
    off = isSecondOff ? distinct[1] : distinct[0]
    on = isSecondOff ? distinct[0] : distinct[1]
    guard on.kind == off.kind, on.array == nil else {
      throw Refusal(
        why: "its values (\(on.jsonText), \(off.jsonText)) are not both text, numbers, booleans or "
          + "objects")
    }
    values = .init(on: on, off: off)
  }

  struct Refusal: Error { var why: String }
}

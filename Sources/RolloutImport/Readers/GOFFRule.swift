import DocumentKit

/// A rule of a flag of GO Feature Flag.
struct GOFFRule {
  private(set) var name: String
  private(set) var query: String
  private(set) var variation: String?
  private(set) var percentages: [(name: String, percent: Double)] = []
  private(set) var ramp: GOFFRamp?
  private(set) var isDisabled: Bool
  /// Where it stands.
  let document: Document

  init(_ document: Document) {
    self.document = document
    name = document["name"]?.scalarText ?? ""
    query = document["query"]?.scalarText ?? ""
    variation = document["variation"]?.scalarText
    if let shares = document["percentage"], !shares.isNull {
      // What is no object names no variation that there is.
      percentages =
        shares.members?.map {
          ($0.key, $0.value.scalarText.flatMap { Double($0) } ?? .nan)
        } ?? [("", .nan)]
    }
    ramp = document["progressiveRollout"].map(GOFFRamp.init)
    isDisabled = document["disable"]?.bool ?? false
  }

  /// The variations that it may give.
  var names: [String] {
    if let ramp { return [ramp.initial.variation, ramp.end.variation].compactMap { $0 } }
    guard percentages.isEmpty else { return percentages.filter { $0.percent != 0 }.map(\.name) }
    return variation.map { [$0] } ?? []
  }

  /// Takes over what `update` says; a share below 0 takes one away.
  mutating func merge(_ update: GOFFRule) {
    if update.document["disable"] != nil { isDisabled = update.isDisabled }
    if update.document["query"] != nil { query = update.query }
    variation = update.variation ?? variation
    if let more = update.ramp {
      if ramp == nil { ramp = more } else { ramp?.merge(more) }
    }
    for (name, percent) in update.percentages {
      percentages.removeAll { $0.name == name }
      if percent >= 0 { percentages.append((name, percent)) }
    }
  }
}

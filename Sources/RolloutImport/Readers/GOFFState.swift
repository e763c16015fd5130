import DocumentKit

/// What a flag of GO Feature Flag does, after the steps of its schedule that are due.
struct GOFFState {
  private(set) var variations: [(key: String, value: Document)] = []
  private(set) var rules: [GOFFRule] = []
  private(set) var defaultRule: GOFFRule?
  private(set) var isDisabled = false
  private(set) var experiment: Document?

  /// The flag itself, or a step of its schedule: what it says replaces what was.
  mutating func apply(_ document: Document) {
    for member in document["variations"]?.members ?? [] {
      if let index = variations.firstIndex(where: { $0.key == member.key }) {
        variations[index].value = member.value
      } else {
        variations.append((member.key, member.value))
      }
    }
    for update in (document["targeting"]?.array ?? []).map(GOFFRule.init) {
      // Rules are known by their names; those without are new.
      if !update.name.isEmpty, let index = rules.firstIndex(where: { $0.name == update.name }) {
        rules[index].merge(update)
      } else {
        rules.append(update)
      }
    }
    if let update = document["defaultRule"].map(GOFFRule.init) {
      if defaultRule == nil { defaultRule = update } else { defaultRule?.merge(update) }
    }
    if let flag = document["disable"]?.bool { isDisabled = flag }
    if let update = document["experimentation"] {
      var merged = experiment ?? .object([:])
      for member in update.members ?? [] { merged.set(member.key, member.value) }
      experiment = merged
    }
  }
}

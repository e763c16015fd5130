import RolloutEvaluation

/// Conditions that must all hold: one of the alternatives of a `Condition`.
struct Term: Equatable {
  var attributes: [Rule] = []
  /// Whose ids are let in; nil for no matter whose.
  var users: [String]?
  /// Whose are not.
  var exceptUsers: [String] = []

  /// What holds where both do.
  func joined(_ other: Term) -> Term {
    var term = self
    for rule in other.attributes where !term.attributes.contains(rule) {
      term.attributes.append(rule)
    }
    term.exceptUsers += other.exceptUsers
    if let more = other.users {
      term.users = users.map { $0.filter(Set(more).contains) } ?? more
    }
    return term
  }

  var isAlways: Bool { attributes.isEmpty && users == nil && exceptUsers.isEmpty }
  /// Whether it is about users by their ids alone.
  var isList: Bool { attributes.isEmpty && users != nil }

  var rule: Rule { attributes.count == 1 ? attributes[0] : .all(attributes) }
}

extension Rule {
  /// Those of `names` of which more counts than whether they are there.
  var comparedNames: [String] {
    switch self {
    case .all(let rules): rules.flatMap(\.comparedNames)
    case .attribute(_, .exists): []
    case .attribute(let name, _): [name]
    }
  }

  /// The attributes it looks at.
  package var names: [String] {
    switch self {
    case .all(let rules): rules.flatMap(\.names)
    case .attribute(let name, _): [name]
    }
  }
}

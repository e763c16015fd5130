/// Reads the text of a `LinearPattern`.
struct PatternParser {
  private typealias Node = LinearPattern.Node

  /// Groups within one another.
  private static let depthMax = 20
  private static let timesMax = 200

  private let pattern: String
  private let scalars: [Unicode.Scalar]
  private var index = 0
  private(set) var ignoresCase = false

  init(_ pattern: String) {
    self.pattern = pattern
    scalars = Array(pattern.unicodeScalars)
    if pattern.hasPrefix("(?i)") {
      ignoresCase = true
      index = 4
    }
  }

  private var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

  private func failure(_ reason: String) -> Redactor.BadPattern {
    Redactor.BadPattern(pattern: pattern, reason: reason)
  }

  mutating func parse() throws(Redactor.BadPattern) -> LinearPattern.Node {
    let node = try alternatives(0)
    guard next == nil else { throw failure("a ) without its (") }
    return node
  }

  private mutating func alternatives(_ depth: Int) throws(Redactor.BadPattern) -> Node {
    var choices = [try sequence(depth)]
    while next == "|" {
      index += 1
      choices.append(try sequence(depth))
    }
    return choices.count == 1 ? choices[0] : .either(choices)
  }

  private mutating func sequence(_ depth: Int) throws(Redactor.BadPattern) -> Node {
    var nodes: [Node] = []
    while let scalar = next, scalar != "|", scalar != ")" { nodes.append(try repeated(depth)) }
    return nodes.isEmpty ? .empty : .sequence(nodes)
  }

  private mutating func repeated(_ depth: Int) throws(Redactor.BadPattern) -> Node {
    var node = try atom(depth)
    while let scalar = next {
      switch scalar {
      case "*": node = .times(node, least: 0, most: nil)
      case "+": node = .times(node, least: 1, most: nil)
      case "?": node = .times(node, least: 0, most: 1)
      case "{":
        node = try counted(node)
        continue
      default: return node
      }
      index += 1
      // Lazy or possessive: what matches is the same.
      if next == "?" || next == "+" { index += 1 }
    }
    return node
  }

  /// `{3}`, `{2,}`, `{2,5}`
  private mutating func counted(_ node: Node) throws(Redactor.BadPattern) -> Node {
    index += 1
    guard let least = number() else { throw failure("a { needs numbers, such as {2,5}") }
    var most: Int? = least
    if next == "," {
      index += 1
      most = number()
    }
    guard next == "}", least <= Self.timesMax, most ?? least <= Self.timesMax,
      most ?? least >= least
    else { throw failure("a { needs numbers up to \(Self.timesMax), such as {2,5}") }
    index += 1
    if next == "?" || next == "+" { index += 1 }
    return .times(node, least: least, most: most)
  }

  private mutating func number() -> Int? {
    var value: Int?
    while let scalar = next, ("0"..."9").contains(scalar) {
      value = min((value ?? 0) * 10 + Int(scalar.value - 0x30), 1_000_000)
      index += 1
    }
    return value
  }

  private mutating func atom(_ depth: Int) throws(Redactor.BadPattern) -> Node {
    guard let scalar = next else { return .empty }
    index += 1
    switch scalar {
    case "(":
      guard depth < Self.depthMax else { throw failure("its groups nest too deep") }
      if next == "?" {
        guard index + 1 < scalars.count, scalars[index + 1] == ":" else {
          throw failure("(?…) is known as (?:…), and as (?i) at the beginning")
        }
        index += 2
      }
      let node = try alternatives(depth + 1)
      guard next == ")" else { throw failure("a ( without its )") }
      index += 1
      return node
    case "[": return .set(try characterClass())
    case ".": return .set(.init(ranges: [0x0A...0x0A], isNegated: true))
    case "^": return .assert(.start)
    case "$": return .assert(.end)
    case "\\": return try escape()
    case "*", "+", "?", "{": throw failure("a \(scalar) with nothing to repeat")
    default: return .set(.init(ranges: [scalar.value...scalar.value]))
    }
  }

  private mutating func escape() throws(Redactor.BadPattern) -> Node {
    switch next {
    case "b": return step(.assert(.wordEdge))
    case "B": return step(.assert(.noWordEdge))
    case "A": return step(.assert(.start))
    case "z", "Z": return step(.assert(.end))
    default: return .set(try escapedSet())
    }
  }

  private mutating func step(_ node: Node) -> Node {
    index += 1
    return node
  }

  private static let digits: [ClosedRange<UInt32>] = [0x30...0x39]
  private static let words: [ClosedRange<UInt32>] = [
    0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A, 0xAA...0xAA, 0xB5...0xB5, 0xBA...0xBA,
    0xC0...0xD6, 0xD8...0xF6, 0xF8...0x2C1, 0x370...0x1FFF, 0x3040...0xD7FF,
  ]
  private static let spaces: [ClosedRange<UInt32>] = [
    0x09...0x0D, 0x20...0x20, 0x85...0x85, 0xA0...0xA0, 0x2000...0x200A, 0x2028...0x2029,
    0x202F...0x202F, 0x3000...0x3000,
  ]

  /// `\d`, `\n`, `\.` and so on, after the backslash.
  private mutating func escapedSet() throws(Redactor.BadPattern) -> LinearPattern.CharacterSet {
    guard let scalar = next else { throw failure("a \\ at its end") }
    index += 1
    func one(_ value: UInt32) -> LinearPattern.CharacterSet { .init(ranges: [value...value]) }
    switch scalar {
    case "d": return .init(ranges: Self.digits)
    case "D": return .init(ranges: Self.digits, isNegated: true)
    case "w": return .init(ranges: Self.words)
    case "W": return .init(ranges: Self.words, isNegated: true)
    case "s": return .init(ranges: Self.spaces)
    case "S": return .init(ranges: Self.spaces, isNegated: true)
    case "n": return one(0x0A)
    case "r": return one(0x0D)
    case "t": return one(0x09)
    case _ where scalar.properties.isAlphabetic || ("0"..."9").contains(scalar):
      throw failure("\\\(scalar) is not known here")
    default: return one(scalar.value)
    }
  }

  private mutating func characterClass() throws(Redactor.BadPattern) -> LinearPattern.CharacterSet {
    var set = LinearPattern.CharacterSet(ranges: [])
    if next == "^" {
      set.isNegated = true
      index += 1
    }
    var isFirst = true
    while let scalar = next, scalar != "]" || isFirst {
      isFirst = false
      index += 1
      guard scalar != "[" || next != ":" else { throw failure("[:…:] is not known here") }
      let low = scalar == "\\" ? try escapedSet() : .init(ranges: [scalar.value...scalar.value])
      guard !low.isNegated else { throw failure("\\D, \\W and \\S stand outside of [ ]") }
      guard next == "-", index + 1 < scalars.count, scalars[index + 1] != "]",
        let from = low.ranges.first, low.ranges.count == 1, from.count == 1
      else {
        set.ranges += low.ranges
        continue
      }
      index += 1
      let last = scalars[index]
      index += 1
      let high = last == "\\" ? try escapedSet().ranges.first : last.value...last.value
      guard let high, high.count == 1, high.lowerBound >= from.lowerBound else {
        throw failure("a range in [ ] goes from the smaller to the larger")
      }
      set.ranges.append(from.lowerBound...high.lowerBound)
    }
    guard next == "]" else { throw failure("a [ without its ]") }
    index += 1
    return set
  }

  /// Whether it matches where there is nothing, and so everywhere.
  func matchesNothing(_ node: LinearPattern.Node) -> Bool {
    switch node {
    case .empty, .assert: true
    case .set: false
    case .sequence(let nodes): nodes.allSatisfy { matchesNothing($0) }
    case .either(let nodes): nodes.contains { matchesNothing($0) }
    case .times(let node, let least, _): least == 0 || matchesNothing(node)
    }
  }
}

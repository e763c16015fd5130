/// A regular expression that is matched in work that grows with the text's length and no faster,
/// whatever the text and the expression (Thompson's construction): there is no going back.
///
/// Knows characters, `.`, `[a-z]`, `[^…]`, `\d \w \s` and their opposites, `\b`, `^`, `$`, groups,
/// `|`, `*`, `+`, `?`, `{2,5}` and a leading `(?i)`. References back and looking around it does
/// not.
struct LinearPattern: Sendable {
  /// States of one expression, which its text can cost for each character.
  static let statesMax = 500

  indirect enum Node: Sendable {
    case empty
    case set(CharacterSet)
    case assert(Assertion)
    case sequence([Node])
    case either([Node])
    /// `most` is nil for any number.
    case times(Node, least: Int, most: Int?)
  }

  enum Assertion: Sendable {
    case wordEdge, noWordEdge, start, end
  }

  /// Which characters.
  struct CharacterSet: Sendable {
    var ranges: [ClosedRange<UInt32>]
    var isNegated = false

    func contains(_ scalar: UInt32) -> Bool {
      ranges.contains { $0.contains(scalar) } != isNegated
    }
  }

  fileprivate enum State: Sendable {
    case set(CharacterSet, Int)
    case split(Int, Int)
    case assert(Assertion, Int)
    case match
  }

  private var states: [State] = []
  private var first = 0
  private let ignoresCase: Bool

  /// Throws `Redactor.BadPattern`.
  init(_ pattern: String) throws(Redactor.BadPattern) {
    var parser = PatternParser(pattern)
    let node = try parser.parse()
    ignoresCase = parser.ignoresCase
    states.append(.match)
    first = build(node, then: 0)
    guard states.count <= Self.statesMax else {
      throw Redactor.BadPattern(pattern: pattern, reason: "it is too large; repeat less")
    }
    guard !parser.matchesNothing(node) else {
      throw Redactor.BadPattern(pattern: pattern, reason: "it matches the empty text")
    }
  }

  /// From the end to the beginning: each part knows where to go on.
  private mutating func build(_ node: Node, then next: Int) -> Int {
    guard states.count <= Self.statesMax else { return next }
    switch node {
    case .empty: return next
    case .set(let set): return add(.set(set, next))
    case .assert(let assertion): return add(.assert(assertion, next))
    case .sequence(let nodes): return nodes.reversed().reduce(next) { build($1, then: $0) }
    case .either(let nodes):
      return nodes.dropLast().reversed().reduce(build(nodes[nodes.count - 1], then: next)) {
        add(.split(build($1, then: next), $0))
      }
    case .times(let node, let least, let most):
      var start = next
      if let most {
        for _ in 0..<max(0, most - least) {
          guard states.count <= Self.statesMax else { break }
          start = add(.split(build(node, then: start), next))
        }
      } else {
        let loop = add(.match)
        states[loop] = .split(build(node, then: loop), next)
        start = loop
      }
      for _ in 0..<least {
        guard states.count <= Self.statesMax else { break }
        start = build(node, then: start)
      }
      return start
    }
  }

  private mutating func add(_ state: State) -> Int {
    states.append(state)
    return states.count - 1
  }

  // MARK: Matching

  /// Where a thread of the match began; the earliest of those in one state.
  private struct Threads {
    var order: [Int] = []
    var began: [Int]
    init(_ count: Int) { began = Array(repeating: -1, count: count) }
    mutating func clear() {
      for state in order { began[state] = -1 }
      order.removeAll(keepingCapacity: true)
    }
  }

  /// Everything that matches, wherever: findings that overlap are one. nil when it takes more than
  /// `stepsMax`; what it took is added to `total`.
  func spans(
    _ bytes: [UInt8], stepsMax: Int, _ total: inout Int
  ) -> [RedactionScan.Span]? {
    var steps = 0
    defer { total += steps }
    var spans: [RedactionScan.Span] = []
    var now = Threads(states.count)
    var next = Threads(states.count)
    var before: UInt32?
    var offset = 0
    let scalars = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
    for index in 0...scalars.count {
      let scalar = index < scalars.count ? scalars[index].value : nil
      // The threads that go on are older than the one that begins here.
      follow(&now, first, offset, before, scalar, &steps)
      if let began = now.began[0] >= 0 ? now.began[0] : nil, began < offset {
        Self.add(began, offset, to: &spans)
      }
      guard steps <= stepsMax else { return nil }
      guard let scalar else { break }
      let folded = ignoresCase ? Self.folded(scalars[index]) : nil
      offset += scalars[index].utf8.count
      let following = index + 1 < scalars.count ? scalars[index + 1].value : nil
      for state in now.order {
        steps += 1
        guard case .set(let set, let target) = states[state],
          set.contains(scalar) || folded.map({ $0.contains { set.contains($0) } }) ?? false
        else { continue }
        follow(&next, target, now.began[state], scalar, following, &steps)
      }
      now.clear()
      swap(&now, &next)
      before = scalar
    }
    return spans
  }

  private static func add(_ start: Int, _ end: Int, to spans: inout [RedactionScan.Span]) {
    var start = start
    while let last = spans.last, last.end > start {
      start = min(start, last.start)
      spans.removeLast()
    }
    spans.append(.init(start: start, end: end, name: "redacted"))
  }

  /// A state and all that are reached from it without a character.
  private func follow(
    _ threads: inout Threads, _ state: Int, _ began: Int, _ before: UInt32?, _ after: UInt32?,
    _ steps: inout Int
  ) {
    var open = [state]
    while let state = open.popLast() {
      steps += 1
      let known = threads.began[state]
      guard known < 0 || began < known else { continue }
      if known < 0 { threads.order.append(state) }
      threads.began[state] = began
      switch states[state] {
      case .split(let a, let b): open += [a, b]
      case .assert(let assertion, let next):
        if Self.holds(assertion, before, after) { open.append(next) }
      case .set, .match: break
      }
    }
  }

  private static func holds(_ assertion: Assertion, _ before: UInt32?, _ after: UInt32?) -> Bool {
    func isWord(_ scalar: UInt32?) -> Bool {
      guard let scalar, let scalar = Unicode.Scalar(scalar) else { return false }
      return scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil
    }
    switch assertion {
    case .wordEdge: return isWord(before) != isWord(after)
    case .noWordEdge: return isWord(before) == isWord(after)
    case .start: return before == nil || before == 0x0A
    case .end: return after == nil || after == 0x0A
    }
  }

  /// The same letter, small and large.
  private static func folded(_ scalar: Unicode.Scalar) -> [UInt32] {
    [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping].compactMap {
      $0.unicodeScalars.count == 1 ? $0.unicodeScalars.first?.value : nil
    }
  }
}

import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

/// Which rule matches nobody whom another does not match.
@Suite struct RuleExtentTests {
  private static let texts = ["a", "ab", "b", "1", "1.0", "true", "é", "e\u{301}", ""]

  private struct World {
    var random: SeededRandom

    mutating func scalar() -> AttributeValue {
      switch random.below(6) {
      case 0: .number(numeral())
      case 1: .bool(random.chance(0.5))
      default: .text(RuleExtentTests.texts[random.below(RuleExtentTests.texts.count)])
      }
    }

    mutating func scalars() -> [AttributeValue] { (0..<1 + random.below(3)).map { _ in scalar() } }

    mutating func texts() -> [String] {
      (0..<1 + random.below(2)).map { _ in
        RuleExtentTests.texts[random.below(RuleExtentTests.texts.count)]
      }
    }

    mutating func condition() -> Rule.Condition {
      switch random.below(10) {
      case 0, 1: .isIn(scalars())
      case 2, 3: .isNotIn(scalars())
      case 4: .startsWith(texts())
      case 5: .endsWith(texts())
      case 6: .contains(texts())
      case 7: random.chance(0.5) ? .greaterThan(numeral()) : .atLeast(numeral())
      case 8: random.chance(0.5) ? .lessThan(numeral()) : .atMost(numeral())
      default: .exists(random.chance(0.5))
      }
    }

    mutating func numeral() -> Numeral { Numeral(["0", "0.5", "1", "1.5"][random.below(4)])! }

    mutating func rule(depth: Int = 0) -> Rule {
      if depth < 2, random.chance(0.3) {
        return .all((0..<1 + random.below(2)).map { _ in rule(depth: depth + 1) })
      }
      let names = ["g", "h", "é", "e\u{301}"]
      return .attribute(names[random.chance(0.8) ? 0 : random.below(4)], condition())
    }

    mutating func attributes() -> Attributes {
      var attributes = Attributes()
      for name in ["g", "h", "é", "e\u{301}"] where random.chance(0.7) {
        let isList = random.chance(0.5)
        attributes.append(
          name, isList ? .list((0..<random.below(4)).map { _ in scalar() }) : scalar())
      }
      return attributes
    }
  }

  @Test func `whoever matches a narrower rule matches the wider one`() {
    var world = World(random: SeededRandom(seed: 26))
    let users = (0..<400).map { _ in world.attributes() }
    var narrower = 0
    for _ in 0..<40_000 {
      let (rule, other) = (world.rule(), world.rule())
      guard RuleExtent(rule).isNarrower(than: RuleExtent(other)) else { continue }
      narrower += 1
      for user in users where rule.matches(user) && !other.matches(user) {
        Issue.record("\(rule) is called narrower than \(other); \(user) says otherwise")
        return
      }
    }
    // A comparison that never says yes would be right for nothing.
    #expect(narrower > 1500, "\(narrower)")
  }

  @Test func `every rule that can be written is as narrow as itself`() {
    var world = World(random: SeededRandom(seed: 27))
    for _ in 0..<2000 {
      let rule = world.rule()
      #expect(RuleExtent(rule).isNarrower(than: RuleExtent(rule)), "\(rule)")
    }
  }

  private func isNarrower(_ a: Rule.Condition, _ b: Rule.Condition) -> Bool {
    RuleExtent(.attribute("g", a)).isNarrower(than: RuleExtent(.attribute("g", b)))
  }

  @Test func `in is never narrower than not_in, for an attribute may be a list`() {
    #expect(!isNarrower(.isIn([.text("staff")]), .isNotIn([.text("banned")])))
    let user: Attributes = ["g": .list([.text("staff"), .text("banned")])]
    #expect(Rule.attribute("g", .isIn([.text("staff")])).matches(user))
    #expect(!Rule.attribute("g", .isNotIn([.text("banned")])).matches(user))
  }

  @Test func `what shows in how two rules are written is seen`() {
    #expect(isNarrower(.isIn([.text("a")]), .isIn([.text("b"), .text("a")])))
    #expect(!isNarrower(.isIn([.text("a"), .text("c")]), .isIn([.text("b"), .text("a")])))
    #expect(isNarrower(.isNotIn([.text("a"), .text("b")]), .isNotIn([.text("b")])))
    #expect(isNarrower(.startsWith(["abc", "b"]), .startsWith(["b", "ab", "zz"])))
    #expect(!isNarrower(.startsWith(["ab"]), .startsWith(["abc"])))
    #expect(isNarrower(.endsWith(["@x.example.com"]), .endsWith(["example.com", "a"])))
    #expect(isNarrower(.greaterThan(2), .atLeast(2)))
    #expect(!isNarrower(.atLeast(2), .greaterThan(2)))
    #expect(isNarrower(.atMost(2), .lessThan(3)))
    #expect(isNarrower(.isNotIn([.text("a")]), .exists(true)))
    // Other bytes are another text, however alike they look.
    #expect(!isNarrower(.isIn([.text("\u{E9}")]), .isIn([.text("e\u{301}")])))
  }

  @Test func `comparing the longest rules that a plan may have is a matter of milliseconds`() {
    let rules = (0..<15).map { index in
      Rule.attribute(
        "g", .isIn((0..<900).map { .text("\($0)") } + [.text("last \(index)")]))
    }
    let others = (0..<15).map { index in
      Rule.attribute(
        "g", .isIn((0..<900).reversed().map { .text("\($0)") } + [.text("other \(index)")]))
    }
    let clock = ContinuousClock()
    let time = clock.measure {
      let (extents, known) = (rules.map(RuleExtent.init), others.map(RuleExtent.init))
      for extent in extents { #expect(!known.contains { extent.isNarrower(than: $0) }) }
    }
    // Value by value it took two seconds; a debug build on a busy machine needs room.
    #expect(time < .milliseconds(1500), "\(time)")
  }
}

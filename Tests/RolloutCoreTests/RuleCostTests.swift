import DocumentKit
import RolloutEvaluation
import RolloutTesting
import Testing

@testable import RolloutCore

/// What rules may cost, and that the quick way to look for a text finds what the plain one does.
@Suite struct RuleCostTests {
  private func contains(_ text: String, _ part: String) -> Bool {
    Rule.attribute("a", .contains([part])).matches(["a": .text(text)])
  }

  @Test func `contains finds exactly what a plain search finds`() {
    var random = SeededRandom(seed: 7)
    for _ in 0..<5000 {
      // Two letters: full of near matches.
      let text = String(
        (0..<Int.random(in: 0...40, using: &random)).map { _ in
          Bool.random(using: &random) ? "a" : "b"
        })
      let part = String(
        (0..<Int.random(in: 1...6, using: &random)).map { _ in
          Bool.random(using: &random) ? "a" : "b"
        })
      let plain =
        text.utf8.count >= part.utf8.count
        && (0...(text.count - part.count)).contains { Array(text)[$0...].starts(with: Array(part)) }
      #expect(contains(text, part) == plain, "\(part) in \(text)")
    }
    #expect(contains("größe", "öß"))
    #expect(!contains("e\u{301}", "é"))
  }

  @Test func `a text that is no number for its length is none`() {
    let rule = Rule.attribute("a", .atLeast(1))
    #expect(rule.matches(["a": .text("12")]))
    #expect(!rule.matches(["a": .text(String(repeating: "1", count: 65))]))
  }

  @Test func `every kind of condition has a cost, and lists cost by what they hold`() {
    func cost(_ condition: Rule.Condition) -> Int { Rule.attribute("a", condition).cost }
    let conditions: [Rule.Condition] = [
      .isIn([.text("x")]), .isNotIn([.number(1)]), .startsWith(["x"]), .endsWith(["x"]),
      .contains(["x"]), .greaterThan(1), .atLeast(1), .lessThan(1), .atMost(1), .exists(true),
    ]
    for condition in conditions { #expect(cost(condition) > 0) }
    let long = AttributeValue.text(String(repeating: "x", count: 5000))
    #expect(cost(.isIn([long, long])) < 3 * Attributes.valueSizeMax)
    #expect(cost(.contains(Array(repeating: "x", count: 10))) > 10 * Attributes.valueSizeMax)
    #expect(
      Rule.all([.attribute("a", conditions[0]), .attribute("b", conditions[4])]).cost
        > cost(conditions[0]) + cost(conditions[4]))
  }

  @Test
  func `a plan with five thousand addresses passes the door, one with ten times as many does not`()
    throws
  {
    func plan(_ lists: Int) throws -> PlanDefinition {
      let addresses = (0..<1000).map { "\"user\($0)@example.com\"" }.joined(separator: ",")
      let rules = Array(repeating: #"{"attribute":"email","in":[\#(addresses)]}"#, count: lists)
      return try PlanDefinition(
        JSONReader.read(
          Array(#"{"feature":"a","eligible":[\#(rules.joined(separator: ","))]}"#.utf8)))
    }
    try plan(5).checkRuleCost()
    #expect(throws: DocumentError.self) { try plan(50).checkRuleCost() }
  }
}

import DocumentKit
import RolloutCore
import RolloutEvaluation
import Testing

/// A quarter of all, or of a hundredth? Both are written as 0.25 somewhere.
@Suite struct ShareDoubtTests {
  private static let places = [
    #""stages":[{"name":"s","percent":0.25}]"#, #""stages":[{"name":"s","percent":"0.25"}]"#,
    #""holdout":0.25"#, #""guards":[{"metric":"error_rate","max":0.25}]"#,
    #""guards":[{"metric":"thumbs_down_rate","max":"0.25"}]"#,
    #""guards":[{"metric":"error_rate","max":"5%","investigate":0.25}]"#,
  ]

  private func read(_ fields: String, isStored: Bool = false) throws -> PlanDefinition {
    let stages = fields.contains("stages") ? "" : #""stages":[{"name":"s","percent":1}],"#
    let text = #"{"feature":"f",\#(stages)\#(fields)}"#
    return try PlanDefinition(JSONReader.read(Array(text.utf8)), isStored: isStored)
  }

  @Test(arguments: places)
  func `a bare share below 1 is refused with both spellings`(fields: String) throws {
    let error = #expect(throws: DocumentError.self) { try read(fields) }
    #expect(error?.message.contains("0.25%") == true)
    #expect(error?.message.contains("25%") == true)
    // What was taken before is read as it was meant then.
    let stored = try read(fields, isStored: true)
    #expect(try PlanDefinition(stored.document) == stored)
    #expect(
      try read(fields.replacing("\"0.25\"", with: "0.25").replacing("0.25", with: #""0.25%""#))
        == stored)
  }

  @Test func `whole shares, none, and numbers that are no shares are taken bare`() throws {
    for fields in [
      #""stages":[{"name":"s","percent":0},{"name":"t","percent":1.5}]"#, #""holdout":0"#,
      #""guards":[{"prometheus":"errors","max":0.05}]"#, #""holdout":"0.25%""#,
      #""guards":[{"metric":"tokens_per_request","max":0.5}]"#,
    ] {
      let plan = try read(fields)
      #expect(try PlanDefinition(plan.document) == plan, "\(fields)")
    }
    let plan = try read(#""guards":[{"prometheus":"errors","max":0.05}]"#)
    #expect(plan.guards[0].limit == .number(0.05))
  }

  @Test func `the canonical plan writes shares that the door takes`() throws {
    for thousandths in [1, 250, 999, 1000, 1001, 25_000, 100_000] {
      var plan = try read(#""holdout":0"#)
      plan.stages[0].audience.percent = Share(thousandths: thousandths)
      #expect(try PlanDefinition(plan.document) == plan, "\(thousandths)")
    }
  }
}

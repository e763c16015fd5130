import DocumentKit
import Foundation
import RolloutCore
import RolloutImport
import Testing
import YAMLKit

/// Every place of a good file with another value, or without it: each ends in a plan that can be
/// applied, a refusal with its reason, or an error that points into the file.
@Suite struct OddFileTests {
  private static let files: [(ForeignSystem, String)] = [
    (.flagd, "flagd.json"), (.unleash, "unleash-client.json"), (.unleash, "unleash-export.json"),
    (.goff, "goff.yaml"), (.growthbook, "growthbook.json"),
  ]

  private static let values: [Document] = [
    .null, .bool(true), .bool(false), .int(0), .int(-1), Document(.number("1e308")),
    Document(.number("-0.5")), .string(""), .string("\u{1B}[2J\n#"), .string("NaN"), .array([]),
    .array([.array([.null])]), .object([:]), .object(["$ref": .string("x"), "in": .int(1)]),
  ]

  /// Copies of `document` in which one place is odd.
  private func mutants(_ document: Document) -> [Document] {
    var found = Self.values
    switch document.value {
    case .array(let elements):
      for index in elements.indices {
        found += mutants(elements[index]).map { mutant in
          var copy = elements
          copy[index] = mutant
          return .array(copy)
        }
      }
    case .object(let members):
      for index in members.indices {
        var shorter = members
        let gone = shorter.remove(at: index)
        found.append(Document(.object(shorter)))
        found += mutants(gone.value).map { mutant in
          var copy = members
          copy[index].value = mutant
          return Document(.object(copy))
        }
      }
    case .null, .bool, .number, .string: break
    }
    return found
  }

  @Test(arguments: files)
  func `whatever is odd in a file ends in words`(system: ForeignSystem, name: String) throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Acceptance/imports/\(name)")
    let document = try YAMLReader.read(Array(Data(contentsOf: path)))
    let settings = ImportSettings(time: try #require(noon))
    var read = 0
    for mutant in mutants(document) {
      do throws(DocumentError) {
        for plan in try FlagFile(mutant, of: system, settings).plans {
          #expect((plan.definition == nil) == (plan.refusal != nil))
          if let definition = plan.definition {
            #expect(try PlanDefinition(definition.document) == definition)
          }
          #expect(plan.remarks.allSatisfy { !$0.text.isEmpty })
          read += 1
        }
      } catch { #expect(!error.message.isEmpty) }
    }
    #expect(read > 300)
  }
}

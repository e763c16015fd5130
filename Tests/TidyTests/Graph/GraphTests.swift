import Foundation
import Testing

/// The plan of the house: which folder may use which. The rules are tried on good and bad samples
/// in `GraphSampleTests`.
@Suite struct GraphTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// From the lowest folder to the highest: each uses only those before it. `.` are the files
  /// beside the folders, which put everything together.
  private static let orders: [String: [String]] = [
    "HTTPKit": ["Base", "Client"],
    "HTTPServerKit": ["Parser", "Answer", "Loop"],
    "RolloutEvaluation": ["Values", "Bucketing", "Audience", "Evaluation"],
    "RolloutCore": [
      "Values", "Privacy", "Outcomes", "Money", "Plans", "Lifecycle", "Alerts", "Evaluation",
      "Health", "Series", "Jobs", "Ports",
    ],
    "RolloutGateway": ["Dialects", "Configuration", "Limits", "Providers", "Room", "Chain"],
    "RolloutServer": [
      "Support", "Metrics", "Serving", "Access", "Events", "Ledger", "Control", "Notify", "AI",
      "Jobs", "Watch", "HTTP", "API", ".",
    ],
    "RolloutImport": ["Flags", "Plans", "Readers"],
    "RolloutTesting": ["Support", "Upstream", "Fakes", "Contracts"],
    "RolloutCLI": ["Session", "Commands", "."],
  ]

  /// What errors are to a client, and providers, which RolloutAPI cannot know.
  private static let madeElsewhere: Set<String> = [
    "Problem", "ProviderList.Key", "ProviderList.Model",
  ]

  private let graph: SourceGraph

  init() throws { graph = SourceGraph(try Self.files(under: "Sources")) }

  private static func files(under folders: String...) throws -> [SourceFile] {
    try folders.flatMap { folder -> [SourceFile] in
      let base = root.appending(path: folder)
      let names = FileManager.default.enumerator(atPath: base.path)?.compactMap { $0 as? String }
      return try (names ?? []).filter { $0.hasSuffix(".swift") }.sorted().map { name in
        SourceFile(
          "\(folder)/\(name)",
          try String(contentsOf: base.appending(path: name), encoding: .utf8))
      }
    }
  }

  @Test func `a folder uses only the folders below it`() throws {
    #expect(graph.files.count > 300)
    for (target, order) in Self.orders { #expect(graph.upward(target, order) == [], "\(target)") }
  }

  @Test func `no folders use each other in a circle, and every target with folders has an order`()
    throws
  {
    for target in Set(graph.files.map(\.target)) {
      #expect(graph.circles(target) == [], "\(target)")
      let folders = Set(graph.files.filter { $0.target == target }.map(\.folder))
      #expect(folders.count == 1 || Self.orders[target] != nil, "\(target)")
    }
  }

  @Test func `below the endpoints no file needs more than half of all files`() throws {
    for (path, count) in graph.closures() where !path.hasPrefix("Sources/RolloutServer/API/") {
      // Beside the folders: the composition, which needs everything.
      guard path.split(separator: "/").count > 3 else { continue }
      #expect(count <= graph.files.count / 2, "\(path) needs \(count) files")
    }
  }

  @Test func `only the endpoints, the routing and the composition speak HTTP`() throws {
    let words: Set<String> = ["HTTPResponse", "APIRequest", "Exchange"]
    let files = graph.files.filter { $0.target == "RolloutServer" }
    #expect(files.count > 50)
    for file in files where !["HTTP", "API", "."].contains(file.folder) {
      let word = file.tokens.first { words.contains($0.text) }?.text
      #expect(word == nil, "\(file.path)")
    }
  }

  @Test func `what the API shows is made in RolloutAPI`() throws {
    let shown = Set(
      graph.files.filter { $0.target == "RolloutAPI" }.flatMap(\.definitions)
        .filter { $0.kind == .type && $0.owner.isEmpty }.map(\.name))
    var elsewhere: Set<String> = []
    for file in graph.files where file.target == "RolloutServer" {
      for name in file.extended {
        let type = name.split(separator: ".").first.map(String.init) ?? name
        if shown.contains(type) { elsewhere.insert(name) }
      }
    }
    #expect(elsewhere == Self.madeElsewhere)
  }

  @Test func `every definition is used, and not by tests alone`() throws {
    let names = Set(
      try Self.files(under: "Tests", "Benchmarks", "Fuzz").flatMap(\.tokens)
        .filter { $0.kind == .name }.map(\.text))
    for definition in graph.unused(butFor: names) {
      Issue.record("\(definition.full) at \(definition.file.path):\(definition.line) is unused")
    }
    let forTests = graph.unused(butFor: []).filter { $0.file.target != "RolloutTesting" }
    #expect(forTests.map(\.full) == [])
  }

  @Test func `a type's name is of one target`() throws {
    let names = graph.sharedTypeNames()
    #expect(names.isEmpty, "\(names)")
  }

  @Test func `functions are short, initializers and long signatures too`() throws {
    let long = graph.files.flatMap(\.definitions).filter {
      ($0.kind == .function || $0.kind == .initializer) && $0.lines > 70
    }
    #expect(long.map { "\($0.file.path):\($0.line) \($0.full) \($0.lines)" } == [])
  }
}

import Foundation
import Testing

/// The house rules, as far as a machine can check them. See `docs/STYLE.md`.
@Suite struct TidyTests {
  private struct File {
    var path: String
    var lines: [String]
    var text: String
  }

  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private func files(under folders: String..., ending: String = ".swift") throws -> [File] {
    try folders.flatMap { folder -> [File] in
      let base = Self.root.appending(path: folder)
      let walker = FileManager.default.enumerator(atPath: base.path)
      return try (walker?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(ending) }.map {
        name in
        let text = try String(contentsOf: base.appending(path: name), encoding: .utf8)
        return File(
          path: "\(folder)/\(name)", lines: text.components(separatedBy: "\n"), text: text)
      }
    }
  }

  /// Who may import whom: nothing else is allowed.
  private static let imports: [String: Set<String>] = [
    "PlatformKit": ["CPlatform", "Glibc", "Synchronization"],
    "DigestKit": ["CCrypto"],
    "DocumentKit": [],
    "YAMLKit": ["DocumentKit", "CYAML"],
    "HTTPKit": ["PlatformKit", "CCurl", "Glibc", "Synchronization"],
    "HTTPServerKit": ["HTTPKit", "PlatformKit", "CZlib", "Glibc", "Synchronization"],
    "RolloutEvaluation": ["Synchronization"],
    "RolloutCore": ["RolloutEvaluation", "DocumentKit"],
    "RolloutStore": [
      "RolloutCore", "RolloutEvaluation", "DocumentKit", "DigestKit", "PlatformKit", "CSQLite",
      "Glibc",
      "Synchronization",
    ],
    "RolloutGateway": [
      "RolloutCore", "RolloutEvaluation", "DocumentKit", "HTTPKit", "PlatformKit",
      "Synchronization",
    ],
    "RolloutAPI": ["RolloutCore", "RolloutEvaluation", "DocumentKit"],
    "RolloutImport": ["RolloutCore", "RolloutEvaluation", "DocumentKit"],
    "RolloutTesting": [
      "RolloutCore", "RolloutEvaluation", "PlatformKit", "Glibc", "Synchronization",
    ],
    "RolloutServer": [
      "RolloutCore", "RolloutEvaluation", "DocumentKit", "YAMLKit", "DigestKit", "PlatformKit",
      "HTTPKit",
      "HTTPServerKit", "RolloutStore", "RolloutGateway", "RolloutAPI", "Glibc", "Synchronization",
    ],
    "RolloutCLI": [
      "RolloutAPI", "RolloutImport", "RolloutCore", "RolloutEvaluation", "DocumentKit", "YAMLKit",
      "PlatformKit", "HTTPKit", "Glibc",
    ],
  ]

  @Test func `targets import what the graph allows, and each C library has one importer`() throws {
    var importers: [String: Set<String>] = [:]
    for file in try files(under: "Sources") {
      let target = file.path.split(separator: "/")[1]
      let allowed = try #require(Self.imports[String(target)], "\(file.path) is in no known target")
      for line in file.lines {
        let words = line.split(separator: " ")
        guard let index = words.firstIndex(of: "import"), index <= 1, index + 1 < words.count,
          words.first != "//", words.first != "///"
        else { continue }
        let module = String(words[index + 1])
        #expect(allowed.contains(module), "\(file.path) imports \(module)")
        if ["CSQLite", "CCurl", "CCrypto", "CYAML", "CZlib", "CPlatform"].contains(module) {
          importers[module, default: []].insert(String(target))
          #expect(words.first == "internal", "\(file.path): import \(module) internally")
        }
      }
    }
    for (module, targets) in importers { #expect(targets.count == 1, "\(module): \(targets)") }
    #expect(importers.count == 6)
  }

  @Test func `files are short`() throws {
    for file in try files(under: "Sources", "Tests") {
      #expect(file.lines.count <= 500, "\(file.path) has \(file.lines.count) lines")
    }
  }

  /// Lines of a type that may stand in another's file.
  private static let guestMax = 20

  /// The types at the top of a file that have more than `guestMax` lines; private ones belong to
  /// whom they serve.
  private static func largeTypes(_ lines: [String]) -> [String] {
    let words =
      /(?:(?:public|package|final|indirect|@\w+)\s+)*(?:struct|class|enum|actor|protocol)\s+(\w+)/
    return lines.indices.compactMap { start in
      guard let name = lines[start].prefixMatch(of: words)?.1, !lines[start].hasSuffix("}"),
        let end = lines[start...].firstIndex(where: { $0.hasPrefix("}") })
      else { return nil }
      return end - start >= guestMax ? String(name) : nil
    }
  }

  @Test func `a large type has a file of its own, which has its name`() throws {
    let body = Array(repeating: "  var a = 1", count: 19)
    let (large, small) = (["package struct A {"] + body + ["}"], ["enum B {", "}"])
    #expect(Self.largeTypes(large + small) == ["A"])
    #expect(Self.largeTypes(["struct E: Error {}"] + body + ["}"]) == [])
    #expect(Self.largeTypes(["final class C: D {"] + body + ["}", ""] + large) == ["C", "A"])
    #expect(Self.largeTypes(["private struct A {"] + body + ["}"]) == [])
    for file in try files(under: "Sources") {
      let name = file.path.split(separator: "/").last?.prefix { $0 != "+" && $0 != "." } ?? ""
      let others = Self.largeTypes(file.lines).filter { $0 != name }
      #expect(others == [], "\(file.path)")
    }
  }

  @Test func `lines fit into 100 columns`() throws {
    for file in try files(under: "Sources") {
      for (index, line) in file.lines.enumerated() where line.count > 100 {
        // A text that cannot be broken is the exception.
        #expect(line.contains("\""), "\(file.path):\(index + 1)")
      }
    }
  }

  @Test func `nothing traps on input, nothing prints, nothing is left open`() throws {
    let forbidden = [
      "try!", " as! ", "JSONSerialization", "fatalError(", "TODO", "FIXME", "// XXX", "HACK",
      "import Foundation", "DispatchQueue", "Thread.sleep",
    ]
    for file in try files(under: "Sources") {
      for (index, line) in file.lines.enumerated() {
        for word in forbidden where line.contains(word) {
          Issue.record("\(file.path):\(index + 1) has \(word)")
        }
        let prints =
          line.contains(" print(") && !line.contains("terminal.print(")
          && !line.contains("func print(")
        if prints { Issue.record("\(file.path):\(index + 1) prints") }
        if line.contains("@unchecked Sendable"), !line.contains("///") {
          let before = file.lines[max(0, index - 12)..<index].joined()
          #expect(
            before.contains("@unchecked Sendable"), "\(file.path):\(index + 1) needs its proof")
        }
      }
    }
  }

  /// Words by which code asks for the time or lets it go by, and who may say them.
  private static let timeWords: [String: [String]] = [
    // Loops wait for the kernel, which knows no other clock.
    "MachineClock": [
      "PlatformKit/", "HTTPKit/", "HTTPServerKit/", "RolloutServer/Support/SystemClock.swift",
      "RolloutTesting/", "RolloutCLI/Commands/Watch",
      "RolloutCLI/Commands/DemoCommand.swift", "RolloutCLI/Commands/DoctorCommand.swift",
      "RolloutCLI/Commands/RehearseCommand.swift",
    ],
    "clock_gettime": [
      "PlatformKit/MonotonicClock.swift", "RolloutServer/Support/SystemClock.swift",
      "RolloutCLI/Session/LocalTime.swift", "RolloutTesting/",
    ],
    // A database file is written by a thread of its own, in real time.
    "Task.sleep": ["PlatformKit/MonotonicClock.swift", "RolloutStore/BudgetDatabase.swift"],
    "time(nil)": [
      "HTTPServerKit/Loop/EventLoop.swift", "RolloutCLI/Commands/TokenCommands.swift",
    ],
    "gettimeofday": [], "ContinuousClock": [], "SuspendingClock": [], "DispatchTime": [],
  ]

  @Test func `the time is asked of the clock that was injected`() throws {
    for file in try files(under: "Sources") {
      for (word, allowed) in Self.timeWords where file.text.contains(word) {
        #expect(
          allowed.contains { file.path.hasPrefix("Sources/\($0)") }, "\(file.path) has \(word)")
      }
    }
  }

  @Test func `every package type says what it is`() throws {
    let pattern = #/^\s*(package|public) (final class|struct|enum|actor|protocol|indirect enum) /#
    for file in try files(under: "Sources") {
      for (index, line) in file.lines.enumerated() where line.firstMatch(of: pattern) != nil {
        // Nested types and wire models that read as their name stand below a documented one.
        guard !line.hasPrefix("  "), !file.path.hasSuffix("Messages.swift") else { continue }
        var above = index - 1
        while above >= 0, file.lines[above].hasPrefix("@") { above -= 1 }
        #expect(
          above >= 0 && file.lines[above].hasPrefix("///"),
          "\(file.path):\(index + 1) is undocumented")
      }
    }
  }

  @Test func `every test file asserts something`() throws {
    for file in try files(under: "Tests") where file.text.contains("@Test") {
      #expect(file.text.contains("#expect") || file.text.contains("#require"), "\(file.path)")
    }
  }

  @Test func `applied migrations never change`() throws {
    let ledger = try String(
      contentsOf: Self.root.appending(path: "Tests/TidyTests/migrations.sha256"), encoding: .utf8)
    for file in try files(under: "migrations", ending: ".sql") {
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/sha256sum")
      process.arguments = [Self.root.appending(path: file.path).path]
      let pipe = Pipe()
      process.standardOutput = pipe
      try process.run()
      let sum = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        .prefix(64)
      let name = file.path.dropFirst("migrations/".count)
      #expect(ledger.contains("\(sum)  \(name)"), "\(name) changed, or is not in the ledger yet")
    }
  }

  @Test func `every migration is compiled in, in the order of its number`() throws {
    let source = try String(
      contentsOf: Self.root.appending(path: "Sources/RolloutStore/Migrator.swift"), encoding: .utf8)
    let embedded = source.matches(of: #/Migration\(\s*"([^"]+\.sql)",\s*PackageResources\.(\w+)/#)
    let files = try files(under: "migrations", ending: ".sql").map(\.path)
    for folder in ["control", "telemetry", "money", "jobs"] {
      let names = files.filter { $0.hasPrefix("migrations/\(folder)/") }
        .compactMap { $0.split(separator: "/").last.map(String.init) }.sorted()
      #expect(!names.isEmpty)
      #expect(
        names.compactMap { Int($0.prefix(4)) } == names.indices.map { $0 + 1 }, "\(folder): a gap")
      let list = source.ranges(of: "package static let \(folder) = [").first
      let rest = try #require(list.map { source[$0.upperBound...] })
      let own = rest.prefix { $0 != "]" }.matches(of: #/"([^"]+\.sql)"/#).map { String($0.1) }
      #expect(own == names, "\(folder)")
    }
    #expect(embedded.count == files.count)
    for match in embedded {
      // As SwiftPM names the bytes of a file.
      let symbol = "_" + match.1.dropFirst().map { $0.isLetter || $0.isNumber ? $0 : "_" }
      #expect(match.2 == symbol, "\(match.1)")
    }
  }

  @Test func `nothing is left of a merge`() throws {
    for folder in ["Sources", "Tests", "docs", "script", "Benchmarks", "Fuzz", "migrations"] {
      for ending in [".swift", ".md", ".json", ".py", ".sql", ".yaml"] {
        for file in try files(under: folder, ending: ending) {
          let marks = file.lines.filter { $0.hasPrefix("<<<<<<< ") || $0.hasPrefix(">>>>>>> ") }
          #expect(marks.isEmpty, "\(file.path)")
        }
      }
    }
  }

  @Test func `decisions have numbers without gaps, each once`() throws {
    let numbers = try files(under: "docs/decisions", ending: ".md").compactMap { file in
      file.path.split(separator: "/").last.flatMap { Int($0.prefix(4)) }
    }
    #expect(numbers.sorted() == numbers.indices.map { $0 + 1 })
  }

  @Test func `the package depends on no other`() throws {
    let manifest = try String(
      contentsOf: Self.root.appending(path: "Package.swift"), encoding: .utf8)
    #expect(!manifest.contains(".package("))
  }
}

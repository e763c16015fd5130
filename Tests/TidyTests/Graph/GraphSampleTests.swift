import Testing

/// The graph, read from samples.
@Suite struct GraphSampleTests {
  private func graph(_ files: [String: String]) -> SourceGraph {
    SourceGraph(files.sorted { $0.key < $1.key }.map { SourceFile("Sources/\($0.key)", $0.value) })
  }

  @Test func `strings and comments are no code, interpolations are`() {
    let text = ##"""
      // Gone "Gone
      /* Gone /* Gone */ Gone */ let a = "Gone \(Kept.one("x \(Kept.two)")) Gone"
      let b = #"Gone \(Gone) "quoted" \#(Kept.three)"#
      let c = """
        Gone "Gone" \(Kept
          .four)
        """
      let d = 'x'
      """##
    let tokens = SwiftTokens.of(text)
    #expect(!tokens.contains { $0.text.contains("Gone") })
    #expect(
      tokens.filter { ["one", "two", "three", "four"].contains($0.text) }.map(\.text)
        == ["one", "two", "three", "four"])
    #expect(tokens.first { $0.text == "three" }?.line == 3)
    #expect(tokens.first { $0.text == "four" }?.line == 6)
    #expect(tokens.first { $0.text == "d" }?.line == 8)
  }

  @Test func `definitions are found with their owner, access and length`() {
    let file = SourceFile(
      "Sources/T/A/F.swift",
      """
      package struct Outer<T: Sendable>: Equatable {
        private(set) var shown = 0
        enum Inner: String { case one = "1", two, three(Int) = "3" }
        init(
          a: Int,
          b: @escaping () -> Void = {}
        ) throws(Problem) {
          func nested() {}
        }
        fileprivate static func hidden() {}
      }
      private extension Outer.Inner {
        func below() {
          print()
        }
      }
      protocol P {
        var asked: Int { get }
        mutating func needed() -> Int
        init(x: Int)
      }
      """)
    let found = Dictionary(uniqueKeysWithValues: file.definitions.map { ($0.full, $0) })
    #expect(
      Set(found.keys) == [
        "Outer", "Outer.shown", "Outer.Inner", "Outer.Inner.one", "Outer.Inner.two",
        "Outer.Inner.three", "Outer.init", "Outer.hidden", "Outer.Inner.below", "P", "P.asked",
        "P.needed", "P.init",
      ])
    #expect(found["Outer.init"]?.lines == 6)
    #expect(found["Outer.Inner.below"]?.lines == 3)
    #expect(found["Outer"]?.access == "package" && found["Outer.shown"]?.isPrivate == false)
    #expect(found["Outer.hidden"]?.isPrivate == true)
    #expect(found["Outer.Inner.below"]?.isPrivate == true)
    #expect(found["P.needed"]?.isRequirement == true && found["Outer.init"]?.isRequirement == false)
    #expect(file.extended == ["Outer.Inner"])
  }

  private let low = "struct Low { var depth = 0\n func sink() {} }"

  @Test func `a use of what stands above is found, by type, member and nested name`() {
    for use in [
      "func f() { _ = High() }", "func f(x: High.Part) {}", "func f(x: Int) { x.rise() }",
      "extension High {}",
    ] {
      let bad = graph([
        "T/A/Low.swift": low + "\n" + use,
        "T/B/High.swift": "struct High { struct Part {}\n func rise() {} }",
      ])
      #expect(bad.upward("T", ["A", "B"]).count == 1, "\(use)")
      #expect(bad.upward("T", ["B", "A"]) == [], "\(use)")
    }
  }

  @Test func `what cannot be told is left out, and private things are nobody else's`() {
    let good = graph([
      "T/A/Low.swift": low + "\nfunc f(x: Int) { x.rise(); x.hide() }",
      "T/B/High.swift": "struct High { func rise() {}\n private func hide() {} }",
      "T/C/Other.swift": "struct Other { func rise() {} }",
    ])
    #expect(good.upward("T", ["A", "B", "C"]) == [])
    #expect(good.circles("T") == [])
  }

  @Test func `another target is seen only where it is imported`() {
    let files = ["U/A/Low.swift": "struct Seen {}", "T/A/User.swift": "func f() { _ = Seen() }"]
    #expect(graph(files).fileEdges.isEmpty)
    var imported = files
    imported["T/A/User.swift"] = "package import U\nfunc f() { _ = Seen() }"
    #expect(graph(imported).fileEdges.count == 1)
  }

  @Test func `a folder without a place in the order is named, a circle too`() {
    let circle = graph([
      "T/A/One.swift": "struct One { func f() { _ = Two() } }",
      "T/B/Two.swift": "struct Two { func f() { _ = Three() } }",
      "T/C/Three.swift": "struct Three { func f() { _ = One() } }",
      "T/D/Four.swift": "struct Four { func f() { _ = One() } }",
    ])
    #expect(circle.circles("T") == [["A", "B", "C"]])
    #expect(
      circle.upward("T", ["A", "B", "C"]).contains("D has no place in the order of T"))
    #expect(circle.closures()["Sources/T/D/Four.swift"] == 3)
  }

  @Test func `what nobody uses is found, and what a protocol asks for is used`() {
    let files = graph([
      "T/A/F.swift": """
      protocol Asks { func asked() }
      struct Used: Asks { func asked() {}\n func forgotten() {}\n func tested() {} }
      func f() { _ = Used() }
      let called: Void = f()
      func g(x: Asks) { g(x: x); _ = called }
      """
    ])
    #expect(files.unused(butFor: ["tested"]).map(\.full) == ["Used.forgotten"])
    #expect(files.unused(butFor: []).map(\.full) == ["Used.forgotten", "Used.tested"])
  }

  @Test func `one type name in two targets is found`() {
    let files = graph([
      "T/A/F.swift": "struct Twice { struct Inner {} }", "U/A/F.swift": "enum Twice {}",
      "V/A/F.swift": "struct Once { struct Inner {} }\nprivate struct Twice {}",
    ])
    #expect(Array(files.sharedTypeNames().keys) == ["Twice"])
  }
}

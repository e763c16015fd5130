import DocumentKit
import Testing

@Suite struct WireEncoderTests {
  private struct Row: Encodable {
    var id: Int
    var why = "unknown_feature"
  }

  private struct Rows: Encodable { var rows: [Row] }

  /// Any number of members.
  private struct Wide: Encodable {
    struct Key: CodingKey {
      var stringValue: String
      var intValue: Int? { nil }
      init(_ text: String) { stringValue = text }
      init?(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    var count: Int

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      for index in 0..<count { try container.encode(index, forKey: Key("k\(index)")) }
    }
  }

  @Test func `elements and members stand in their order`() throws {
    let list = try WireEncoder.json(Rows(rows: (0..<3).map { Row(id: $0, why: "x") }))
    #expect(
      String(decoding: list, as: UTF8.self)
        == #"{"rows":[{"id":0,"why":"x"},{"id":1,"why":"x"},{"id":2,"why":"x"}]}"#)
    let wide = try WireEncoder.json(Wide(count: 2))
    #expect(String(decoding: wide, as: UTF8.self) == #"{"k0":0,"k1":1}"#)
  }

  /// The quickest of three, so that what else the machine does counts for little.
  private func time(_ work: () throws -> Void) rethrows -> Duration {
    let clock = ContinuousClock()
    var least = Duration.seconds(1000)
    for _ in 0..<3 { least = min(least, try clock.measure(work)) }
    return least
  }

  @Test(arguments: ["elements", "members"])
  func `four times as much takes about four times as long, not sixteen`(what: String) throws {
    func work(_ count: Int) throws {
      let json =
        what == "members"
        ? try WireEncoder.json(Wide(count: count))
        : try WireEncoder.json(Rows(rows: (0..<count).map { Row(id: $0) }))
      #expect(json.count > 5 * count)
    }
    let small = try time { try work(15_000) }
    let large = try time { try work(60_000) }
    #expect(large < small * 9, "\(small), \(large)")
  }
}

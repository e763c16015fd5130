import Foundation
import RolloutTesting
import Testing

@testable import RolloutCore

/// Zone files of this machine, compared with what its C library makes of them.
@Suite struct ZoneRulesTests {
  /// Half hours, quarters, summers that are winters, a day that was skipped, clocks that change at
  /// midnight, ones that follow a holiday, and ones that never change.
  private static let names = [
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia",
    "Africa/Casablanca", "Europe/Dublin", "America/St_Johns", "Asia/Kathmandu", "America/Nuuk",
    "Antarctica/Troll", "America/Havana", "Pacific/Chatham", "Asia/Gaza", "America/Sao_Paulo",
    "Etc/GMT+5", "UTC", "EST5EDT",
  ]

  static func file(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/\(name)")))
  }

  static func rules(_ name: String) throws -> ZoneRules {
    try #require(ZoneRules(file: try file(name)), "\(name)")
  }

  /// What `date` says of these times: `%u %H:%M` and the like, a line each.
  static func date(_ times: [Int], in zone: String, _ format: String) throws -> [String] {
    let folder = TemporaryFolder()
    let list = folder.write(times.map { "@\($0)" }.joined(separator: "\n") + "\n", to: "times")
    let process = Process()
    process.executableURL = URL(filePath: "/bin/date")
    process.arguments = ["-f", list, "+\(format)"]
    process.environment = ["TZ": zone, "LC_ALL": "C"]
    let out = Pipe()
    process.standardOutput = out
    try process.run()
    let text = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return text.split(separator: "\n").map(String.init)
  }

  /// `+05:45:00` as seconds.
  private func seconds(_ text: String) -> Int {
    let parts = text.dropFirst().split(separator: ":").compactMap { Int($0) }
    let total = parts[0] * 3600 + parts[1] * 60 + (parts.count > 2 ? parts[2] : 0)
    return text.hasPrefix("-") ? -total : total
  }

  @Test(arguments: names) func `offsets are those of the C library, in every century`(
    name: String
  ) throws {
    let rules = try Self.rules(name)
    var random = SeededRandom(seed: 11)
    // 1890 to 2290, and the seconds beside every change until 2060.
    var times = (0..<3000).map { _ in random.below(12_600_000_000) - 2_500_000_000 }
    var time = -2_500_000_000
    while time < 2_840_000_000 {
      let until = rules.span(at: time).until
      guard until < .max else { break }
      times += [until - 1, until, until + 1]
      time = until
    }
    let said = try Self.date(times, in: name, "%::z")
    try #require(said.count == times.count)
    var wrong: [String] = []
    for (time, text) in zip(times, said) where rules.span(at: time).offset != seconds(text) {
      wrong.append("\(time): \(rules.span(at: time).offset), not \(text)")
    }
    #expect(wrong.isEmpty, "\(wrong.prefix(3)) and \(wrong.count) in all")
    if name == "Europe/Berlin" { #expect(times.count > 3300) }
  }

  @Test(arguments: names) func `the first moment that a clock shows something is the first`(
    name: String
  ) throws {
    let rules = try Self.rules(name)
    var random = SeededRandom(seed: 12)
    var time = 1_000_000_000
    var changes: [Int] = []
    while changes.count < 4, rules.span(at: time).until < .max {
      time = rules.span(at: time).until
      changes.append(time)
    }
    for change in changes + [1_800_000_000] {
      for _ in 0..<10 {
        let moment = change + random.below(14_400) - 7200
        let shown = rules.local(at: moment) + random.below(3) - 1
        let first = rules.firstMoment(showing: shown)
        #expect(rules.local(at: first) >= shown)
        let places = Array(1...5) + Array(stride(from: 6, to: 93_000, by: 97))
        let early = places.contains { rules.local(at: first - $0) >= shown }
        #expect(!early, "\(name) \(shown): \(first) is not the first")
      }
    }
  }

  @Test func `the rules beyond the last listed change are read as POSIX has them`() throws {
    func offsets(_ text: String, _ times: [Int]) -> [Int]? {
      PosixZone(Array(text.utf8)[...]).map { zone in times.map { zone.span(at: $0).offset } }
    }
    // 1 January and 1 July 2030, and the seconds around 31 March 2030 01:00 UTC.
    let times = [1_893_456_000, 1_909_094_400, 1_901_149_199, 1_901_149_200]
    #expect(offsets("CET-1CEST,M3.5.0,M10.5.0/3", times) == [3600, 7200, 3600, 7200])
    #expect(offsets("<+0330>-3:30", times) == [12_600, 12_600, 12_600, 12_600])
    // Ireland's summer is its standard time; Greenland changes the evening before.
    #expect(offsets("IST-1GMT0,M10.5.0,M3.5.0/1", times) == [0, 3600, 0, 3600])
    #expect(offsets("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", times) == [-7200, -3600, -7200, -3600])
    // Summer all year, in the two ways there are.
    #expect(offsets("XXX3EDT4,0/0,J365/23", times) == [-14_400, -14_400, -14_400, -14_400])
    #expect(offsets("EST5EDT,0/0,J365/25", times) == [-14_400, -14_400, -14_400, -14_400])
    // Day 60 with and without 29 February: 2028 is a leap year.
    let march = [1_835_481_600 + 7200, 1_835_395_200 + 7200]
    #expect(offsets("AAA0BBB,J60,J300", march) == [3600, 0])
    #expect(offsets("AAA0BBB,59,300", march) == [3600, 3600])
    for text in [
      "", "C", "CE-1", "CET", "CET-25", "CET-1CEST", "CET-1CEST,", "CET-1CEST,M3.5.0",
      "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0",
      "CET-1CEST,J0,J3", "CET-1CEST,366,3", "CET-1CEST,M3.5.0/168,M10.5.0", "<CET-1",
      "CET-1CEST,M3.5.0,M10.5.0x", "CET-1:60", "CET-99999999999999999999",
    ] { #expect(offsets(text, times) == nil, "\(text)") }
  }

  @Test func `what is no zone file is refused, and nothing traps`() throws {
    let whole = try Self.file("Europe/Berlin")
    #expect(ZoneRules(file: []) == nil)
    #expect(ZoneRules(file: Array("TZif".utf8)) == nil)
    for length in 0..<whole.count { #expect(ZoneRules(file: Array(whole[..<length])) == nil) }
    var random = SeededRandom(seed: 13)
    var (taken, refused) = (0, 0)
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0...random.below(3) {
        // Headers more often than data.
        let place = random.chance(0.5) ? random.below(44) : random.below(bytes.count)
        bytes[place] = UInt8(random.below(256))
      }
      guard let rules = ZoneRules(file: bytes) else {
        refused += 1
        continue
      }
      taken += 1
      for time in [Int.min, -1 << 50, -1_900_000_000, 0, 1_800_000_000, 1 << 50, Int.max] {
        #expect(abs(rules.span(at: time).offset) <= ZoneRules.offsetMax)
        _ = rules.firstMoment(showing: time)
      }
    }
    #expect(taken > 100 && refused > 100, "\(taken) \(refused)")
    // A folder of zones that count leap seconds is on some machines.
    if let leap = try? Self.file("right/Europe/Berlin") { #expect(ZoneRules(file: leap) == nil) }
  }
}

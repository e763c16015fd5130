import Foundation
import PlatformKit
import Testing

/// A log whose reader stands still.
@Suite struct LineWriterTests {
  private static let line = String(repeating: "x", count: 99)

  private func numbers(_ text: Substring) -> [Int] {
    text.split(separator: "\n").compactMap { Int($0.prefix { $0 != " " }) }
  }

  @Test func `what finds no room is dropped and counted, and nobody waits`() async throws {
    let pipe = Pipe()
    let writer = LineWriter(pipe.fileHandleForWriting.fileDescriptor) { "dropped \($0)" }
    let count = 60_000
    let time = ContinuousClock().measure {
      for number in 0..<count { writer.write("\(number) \(Self.line)") }
    }
    #expect(time < .seconds(5), "\(time)")
    #expect(!writer.flush(milliseconds: 20), "nobody has read it")
    let handle = pipe.fileHandleForReading
    let read = Task.detached {
      var text = ""
      while !text.contains("last"), case let more = handle.availableData, !more.isEmpty {
        text += String(decoding: more, as: UTF8.self)
        if text.contains("dropped"), !text.contains("last") { writer.write("last") }
      }
      return text
    }
    let text = await read.value
    let parts = text.split(separator: "dropped ")
    try #require(parts.count == 2, "\(parts.count)")
    let before = numbers(parts[0])
    let dropped = try #require(Int(parts[1].prefix { $0.isNumber }))
    #expect(before == Array(0..<before.count), "in order, and none between them is missing")
    #expect(before.count + dropped == count)
    // Two portions of what may wait, and what the pipe took.
    #expect(before.count * 105 < 2 * LineWriter.sizeMax + 200_000)
    #expect(writer.flush(milliseconds: 1000))
  }

  @Test func `a reader that is gone stops nobody`() {
    signal(SIGPIPE, SIG_IGN)
    let pipe = Pipe()
    let writer = LineWriter(pipe.fileHandleForWriting.fileDescriptor) { "dropped \($0)" }
    try? pipe.fileHandleForReading.close()
    for _ in 0..<100 { writer.write(Self.line) }
    #expect(writer.flush(milliseconds: 1000))
  }
}

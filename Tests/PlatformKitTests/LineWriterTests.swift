import Foundation
import PlatformKit
import Testing

/// A log whose reader stands still.
@Suite struct LineWriterTests {
  private static let line = String(repeating: "x", count: 99)

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
    // In order, and what is missing is said where it is missing: once, or twice where the thread
    // took what waited only after there was no more room.
    var (next, written, dropped) = (0, 0, 0)
    for line in text.split(separator: "\n") where line != "last" {
      let words = line.split(separator: " ")
      if words[0] == "dropped" {
        let more = try #require(Int(words[1]))
        next += more
        dropped += more
      } else {
        try #require(Int(words[0]) == next, "\(line.prefix(20))")
        next += 1
        written += 1
      }
    }
    #expect(next == count)
    #expect(dropped > 0)
    // Two portions of what may wait, and what the pipe took.
    #expect(written * 105 < 2 * LineWriter.sizeMax + 200_000)
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

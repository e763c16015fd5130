import DocumentKit
import RolloutCore
import RolloutGateway
import Testing

@testable import RolloutServer

/// The text that is kept of a stream.
@Suite struct StreamTextTests {
  private func chunk(_ text: String) -> Document {
    .object(["choices": .array([.object(["delta": .object(["content": .string(text)])])])])
  }

  private func writer(_ textSizeMax: Int) -> ChatStreamWriter {
    ChatStreamWriter(
      ChatShapes(dialect: .openai), from: .openai, wantsUsage: false, textSizeMax: textSizeMax,
      at: Instant(milliseconds: 0))
  }

  @Test func `no more of a stream is kept than somebody wants, and all of it is passed on`() {
    var wanted = writer(10)
    for text in ["12345", "é789"] { #expect(!wanted.frames(for: chunk(text)).isEmpty) }
    #expect(wanted.text == "12345é789")
    // One byte too many: what is not whole is of no use to anybody.
    #expect(!wanted.frames(for: chunk("0")).isEmpty)
    #expect(wanted.text == nil)
    #expect(!wanted.frames(for: chunk("1")).isEmpty)
    #expect(wanted.text == nil)
  }

  @Test func `where nobody wants the text nothing of it is kept`() {
    var unwanted = writer(0)
    #expect(!unwanted.frames(for: chunk("12345")).isEmpty)
    #expect(unwanted.text == nil)
  }
}

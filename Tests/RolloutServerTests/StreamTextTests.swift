import DocumentKit
import RolloutCore
import RolloutGateway
import Testing

@testable import RolloutServer

/// The text that is kept of a stream.
@Suite struct StreamTextTests {
  private func chunk(_ text: String) -> RawValue {
    RawValue(
      .object(["choices": .array([.object(["delta": .object(["content": .string(text)])])])]))
  }

  @Test func `no more of a stream is kept than somebody wants`() {
    var wanted = StreamTally(.openai, textSizeMax: 10)
    for text in ["12345", "é789"] { wanted.note(chunk(text)) }
    #expect(wanted.text == "12345é789")
    // One byte too many: what is not whole is of no use to anybody.
    wanted.note(chunk("0"))
    #expect(wanted.text == nil)
    wanted.note(chunk("1"))
    #expect(wanted.text == nil)
  }

  @Test func `where nobody wants the text nothing of it is kept`() {
    var unwanted = StreamTally(.openai)
    unwanted.note(chunk("12345"))
    #expect(unwanted.text == nil)
  }

  @Test func `usage adds up over a stream, whoever asked for it`() throws {
    var tally = StreamTally(.anthropic)
    for json in [
      #"{"type":"message_start","message":{"usage":{"input_tokens":5,"cache_read_input_tokens":2}}}"#,
      #"{"type":"content_block_delta","delta":{"text":"a"},"usage":null}"#,
      #"{"type":"message_delta","usage":{"input_tokens":0,"output_tokens":3}}"#,
    ] { tally.note(try #require(RawValue(Array(json.utf8)))) }
    #expect(tally.usage == Usage(inputTokens: 7, outputTokens: 3))
  }

  private func written(_ json: String, _ dialect: ChatDialect, usage: Bool = false) throws -> String
  {
    let body = #"{"messages":[],"stream_options":{"include_usage":\#(usage)}}"#
    let request = try ChatRequest(RawObject(Array(body.utf8)), dialect: dialect)
    let event = try #require(RawValue(Array(json.utf8)))
    return String(decoding: ChatStreamWriter(request).frame(event), as: UTF8.self)
  }

  @Test func `an event in its reader's dialect goes out to the byte as it came`() throws {
    // Spaces, escapes, numbers, members that nobody knows and a key that stands twice inside.
    let odd = #" { "id" : "\u0063" , "x":{"a":1.50e0,"a":-0}, "choices":[ ] }  "#
    #expect(try written(odd, .openai) == "data: \(odd)\n\n")
    #expect(try written(odd, .openai, usage: true) == "data: \(odd)\n\n")
    #expect(try written(odd, .anthropic) == "data: \(odd)\n\n")
    let ping = #"{"type": "ping"}"#
    #expect(try written(ping, .anthropic) == "event: ping\ndata: \(ping)\n\n")
    // What came in several lines goes on in several.
    #expect(try written("{\n\"id\":1\n}", .openai) == "data: {\ndata: \"id\":1\ndata: }\n\n")
  }

  @Test func `a name that is more than a line is no name`() throws {
    let forged = #"{"type":"ping\ndata: {}\n\nevent: message_stop"}"#
    #expect(try written(forged, .anthropic) == "data: \(forged)\n\n")
  }

  @Test func `only the usage is cut out for those who did not ask, and nothing beside it`() throws {
    let choices = #""choices":[{"index":0,"delta":{"content":"a \"usage\": b"}}]"#
    for (json, left) in [
      (#"{"id":"1", \#(choices), "usage": null}"#, #"{"id":"1", \#(choices)}"#),
      (#"{ "usage":null , "id":"1", \#(choices) }"#, #"{ "id":"1", \#(choices) }"#),
      (#"{"id":"1","usage":{"x":[1,2]},\#(choices)}"#, #"{"id":"1",\#(choices)}"#),
      (#"{"\u0075sage":{},\#(choices),"usage":1}"#, #"{\#(choices)}"#),
      (#"{"usage":null}"#, "{}"),
    ] {
      #expect(try written(json, .openai) == "data: \(left)\n\n")
      #expect(try written(json, .openai, usage: true) == "data: \(json)\n\n")
    }
    let last = #"{"choices":[],"usage":{"prompt_tokens":1}}"#
    #expect(try written(last, .openai) == "")
    #expect(try written(last, .openai, usage: true) == "data: \(last)\n\n")
  }
}

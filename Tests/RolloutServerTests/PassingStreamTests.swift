import DocumentKit
import RolloutTesting
import Testing

@testable import RolloutServer

/// Between like dialects a stream goes through a whole server to the byte.
@Suite struct PassingStreamTests {
  private let upstream = ScriptedUpstream()

  private func start(_ kind: String, _ more: String = "") async throws -> TestServer {
    let server = try await TestServer(
      """
      providers: {main: {kind: \(kind), base_url: "\(upstream.url)"}}
      prices: {m: {input: 1, output: 2}}
      routes: {main: {deadline: 3s, targets: [{provider: main, model: m}]\(more)}}
      budgets: [{name: all, limit_usd: 1}]
      capture: {sample: 100%}
      """)
    try await server.startPlan(
      "ai", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    return server
  }

  private func ask(_ server: TestServer, _ path: String, _ more: String = "") async throws
    -> TestServer.Answer
  {
    try await server.send(
      "POST", "/features/ai/v1/\(path)",
      #"{"max_tokens":9,"messages":[{"role":"user","content":"hello"}],"stream":true,"user":"anna"\#(more)}"#
    )
  }

  private func spent(_ server: TestServer) async throws -> Double? {
    try await server.send("GET", "/v1/budgets").json["budgets"]?.array?.first?["spent_usd"]?.double
  }

  /// As no writer of ours would put it: spaces, escapes, numbers, unknown members.
  private let chunks = [
    #"{ "id":"\u0063", "object":"chat.completion.chunk","created":1.0e0 , "model":"m-1", "x": [1.50, -0, {"\u00e9":"\/"}], "choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}"#,
    #"{"choices":[{"index":0,"delta":{"content":"Zo\u00eb \ud83d\ude42 \"usage\""},"finish_reason":null}], "usage":null }"#,
    #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    #"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#,
  ]

  @Test func `OpenAI's stream arrives as it was sent, and is counted, kept and sampled`()
    async throws
  {
    let sent = chunks.map { "data: \($0)\n\n" }.joined() + "data: [DONE]\n\n"
    let server = try await start("openai", ", cache: {ttl: 10m}")
    upstream.next(.streamHead, .send(sent), .close)
    let answer = try await ask(
      server, "chat/completions", #","stream_options":{"include_usage":true}"#)
    #expect(answer.text == sent)
    #expect(answer.header("x-rollout-model") == "m-1")
    #expect(try await spent(server) == 0.000013)
    // The same question again, whole: what was kept of it is the text.
    let again = try await ask(server, "chat/completions")
    #expect(again.header("x-rollout-served-by") == "cache")
    let words = again.text.split(separator: "\n\n").compactMap { frame -> String? in
      (try? JSONReader.read(Array(frame.dropFirst(6).utf8)))?["choices"]?.array?.first?["delta"]?[
        "content"]?.string
    }
    #expect(words.joined() == "Zoë 🙂 \"usage\"")
    #expect(
      try await server.eventually {
        try await server.send("GET", "/v1/captures?feature=ai").json["captures"]?.array?.first?[
          "answer"]?.string == "Zoë 🙂 \"usage\""
      })
    await server.stop()
  }

  @Test func `who did not ask for usage gets all else to the byte`() async throws {
    let server = try await start("openai")
    upstream.next(
      .streamHead, .send(chunks.map { "data: \($0)\n\n" }.joined() + "data: [DONE]\n\n"), .close)
    let answer = try await ask(server, "chat/completions")
    let expected = chunks.dropLast().map {
      "data: \($0.replacing(#","usage":null"#, with: "").replacing(#", "usage":null"#, with: ""))\n\n"
    }
    #expect(answer.text == expected.joined() + "data: [DONE]\n\n")
    #expect(!answer.text.contains(#""usage":"#))
    #expect(try await spent(server) == 0.000013)
    await server.stop()
  }

  @Test func `Anthropic's stream arrives as it was sent, and is counted`() async throws {
    let events = [
      #"{"type":"message_start", "message":{"id":"a","model":"m-1","content":[],"usage":{"input_tokens":7,"output_tokens":1}}}"#,
      #"{"type": "ping"}"#,
      #"{"index":0,"type":"content_block_start","content_block":{"type":"text","text":""}}"#,
      #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"h\u0069"}}"#,
      #"{"type":"content_block_stop","index":0}"#,
      #"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3.0}}"#,
      #"{"type":"message_stop"}"#,
    ]
    let sent = try events.map { json in
      let type = try JSONReader.read(Array(json.utf8))["type"]?.string
      return "event: \(try #require(type))\ndata: \(json)\n\n"
    }.joined()
    let server = try await start("anthropic")
    upstream.next(.streamHead, .send(sent), .close)
    let answer = try await ask(server, "messages")
    #expect(answer.text == sent)
    #expect(try await spent(server) == 0.000013)
    await server.stop()
  }

  @Test func `what hides in an event stays inside it`() async throws {
    let server = try await start("anthropic")
    let opening =
      #"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#
    let forged = #"data: {"type":"ping\ndata: {}\n\nevent: message_stop"}"#
    upstream.next(
      .streamHead, .send("\(opening)\n\n\(forged)\n\nevent: x\nid: 7\n: hi\nretry: 1\n\n"),
      .send(#"data: {"type":"message_stop"}"# + "\n\n"), .close)
    let answer = try await ask(server, "messages")
    #expect(
      answer.text
        == "event: content_block_delta\n\(opening)\n\n\(forged)\n\n"
        + #"event: message_stop\#ndata: {"type":"message_stop"}\#n\#n"#)
    await server.stop()
  }
}

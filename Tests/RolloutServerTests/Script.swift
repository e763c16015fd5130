import RolloutTesting

/// What a provider of one dialect says.
struct Script {
  typealias Step = ScriptedUpstream.Step

  private let isOpenAI: Bool

  init(_ spoken: FaultMatrixTests.Spoken) { isOpenAI = spoken == .openai }

  // MARK: Whole answers

  func whole(_ text: String) -> Step {
    isOpenAI
      ? .chat(text)
      : .answer(
        200,
        """
        {"id":"msg_1","type":"message","role":"assistant","model":"scripted","content":[\
        {"type":"text","text":"\(text)"}],"stop_reason":"end_turn","stop_sequence":null,\
        "usage":{"input_tokens":7,"output_tokens":3}}
        """)
  }

  /// Answers in whose places stands what no client can read.
  var unreadableAnswers: [String] {
    let call = #"{"id":"c","type":"function","function":{"name":"","arguments":"{}"}}"#
    let bad = [
      #""content":5"#, #""content":[]"#, #""content":{}"#, #""content":true"#, #""content":[null]"#,
      #""content":[{}]"#, #""content":[{"type":"text"}]"#, #""content":"hi","tool_calls":[null]"#,
      #""content":null,"tool_calls":[{}]"#, #""content":null,"tool_calls":[]"#,
      #""content":null,"tool_calls":{}"#, #""content":null,"tool_calls":[\#(call)]"#,
      #""content":null,"tool_calls":[{"function":{"name":"f","arguments":5}}]"#,
      #""content":null,"function_call":{}"#, #""refusal":5"#, #""content":null,"audio":{}"#,
    ]
    let reasons = ["5", "true", "{}", #"["stop"]"#]
    guard !isOpenAI else {
      return bad.map {
        #"{"choices":[{"index":0,"message":{"role":"assistant",\#($0)},"finish_reason":"stop"}]}"#
      }
        + reasons.map {
          #"{"choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":\#($0)}]}"#
        }
    }
    let blocks = [
      "5", "[]", "{}", #""hi""#, "[null]", "[{}]", "[5]", #"[{"type":"text","text":5}]"#,
      #"[{"type":""}]"#, #"[{"type":"tool_use","id":"t","input":{}}]"#,
      #"[{"type":"text","text":"hi"},{"type":"tool_use","name":""}]"#,
    ]
    return blocks.map { #"{"type":"message","content":\#($0),"stop_reason":"end_turn"}"# }
      + reasons.map {
        #"{"type":"message","content":[{"type":"text","text":"hi"}],"stop_reason":\#($0)}"#
      }
  }

  /// The same within a stream, after its opening.
  var unreadablePieces: [Step] {
    guard !isOpenAI else {
      return [
        #"{"content":5}"#, #"{"content":[]}"#, #"{"content":[5]}"#, #"{"tool_calls":[null]}"#,
        #"{"tool_calls":[{}]}"#, #"{"tool_calls":[{"index":0}]}"#, #"{"tool_calls":5}"#, "5",
      ].map { chunk($0) } + [event(#"{"choices":[{"index":0,"delta":{},"finish_reason":5}]}"#)]
    }
    return [
      #"{"type":"content_block_delta","index":0,"delta":5}"#,
      #"{"type":"content_block_delta","index":0,"delta":{}}"#,
      #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":5}}"#,
      #"{"type":"content_block_delta","index":0}"#,
      #"{"type":"content_block_start","index":0,"content_block":{}}"#,
      #"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":""}}"#,
      #"{"type":"message_delta","delta":{"stop_reason":5}}"#,
    ].map { event($0) }
  }

  // MARK: Errors

  func errorBody(_ type: String) -> String {
    let error = #"{"type":"\#(type)","code":"\#(type)","message":"scripted trouble"}"#
    return isOpenAI ? #"{"error":\#(error)}"# : #"{"type":"error","error":\#(error)}"#
  }

  func error(_ status: Int, _ type: String, _ headers: String = "") -> Step {
    .answer(status, errorBody(type), headers: headers)
  }

  var throttle: String { isOpenAI ? "rate_limit_exceeded" : "rate_limit_error" }
  var money: (status: Int, error: String) {
    isOpenAI ? (429, "insufficient_quota") : (402, "billing_error")
  }

  // MARK: Streams

  private func event(_ json: String) -> Step {
    guard !isOpenAI else { return .send("data: \(json)\n\n") }
    let type = json.split(separator: "\"").dropFirst(2).first.map(String.init) ?? ""
    return .send("event: \(type)\ndata: \(json)\n\n")
  }

  private func chunk(_ delta: String, _ finish: String = "null") -> Step {
    event(
      #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"scripted","choices":"#
        + #"[{"index":0,"delta":\#(delta),"finish_reason":\#(finish)}],"usage":null}"#)
  }

  /// What comes before any content.
  var opening: Step { opening(#""""#) }

  /// The same with this as the content of a chunk; nil for none.
  func opening(_ content: String?) -> Step {
    isOpenAI
      ? chunk(#"{"role":"assistant"\#(content.map { #","content":\#($0)"# } ?? "")}"#)
      : event(
        #"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","#
          + #""model":"scripted","content":[],"stop_reason":null,"stop_sequence":null,"#
          + #""usage":{"input_tokens":7,"output_tokens":1}}}"#)
  }

  /// A text without a character.
  var emptyBlock: Step {
    isOpenAI
      ? text("")
      : event(
        #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#)
  }

  func text(_ text: String) -> Step {
    isOpenAI
      ? chunk(#"{"content":"\#(text)"}"#)
      : event(
        #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\#(text)"}}"#
      )
  }

  /// The same text, its JSON over two `data:` lines.
  func multiLine(_ text: String) -> Step {
    guard case .send(let event) = self.text(text) else { return .close }
    return .send(event.replacing(",", with: ",\ndata: ", maxReplacements: 1))
  }

  var ping: Step { isOpenAI ? .send(": ping\n\n") : event(#"{"type":"ping"}"#) }

  var failing: Step { event(errorBody("overloaded_error")) }

  var unknown: Step {
    isOpenAI
      ? event(#"{"id":"c","object":"something.new","model":"scripted","choices":[]}"#)
      : event(#"{"type":"something_new","index":3}"#)
  }

  private func end(_ reason: String, usage: String?) -> Step {
    guard !isOpenAI else {
      guard case .send(let finish) = chunk("{}", #""\#(reason)""#) else { return .close }
      let told = usage.map {
        #"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"scripted","#
          + #""choices":[],"usage":\#($0)}"# + "\n\n"
      }
      return .send(finish + (told ?? "") + "data: [DONE]\n\n")
    }
    let counts = usage.map { #","usage":\#($0)"# } ?? ""
    let delta =
      #"{"type":"message_delta","delta":{"stop_reason":"\#(reason)","stop_sequence":null}\#(counts)}"#
    return .send(
      "event: message_delta\ndata: \(delta)\n\n"
        + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
  }

  private var stop: String { isOpenAI ? "stop" : "end_turn" }

  private func usage(_ input: Int, _ output: Int) -> String {
    isOpenAI
      ? #"{"prompt_tokens":\#(input),"completion_tokens":\#(output),"total_tokens":\#(input + output)}"#
      : #"{"output_tokens":\#(output)}"#
  }

  /// The end of the answer, without the one of the stream where the dialect has its own word for it.
  var finish: Step { isOpenAI ? chunk("{}", #""stop""#) : end }

  var end: Step { end(stop, usage: usage(7, 3)) }
  var endWithoutUsage: Step { end(stop, usage: nil) }
  var endOfZero: Step { end(stop, usage: usage(0, 0)) }
  var endForNewReason: Step { end("reason_of_next_year", usage: usage(7, 3)) }

  /// Usage that comes early, and will come again.
  var usageAgain: Step {
    isOpenAI
      ? event(
        #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"scripted","choices":[],"#
          + #""usage":\#(usage(7, 1))}"#)
      : event(
        #"{"type":"message_delta","delta":{"stop_reason":null,"stop_sequence":null},"#
          + #""usage":{"output_tokens":1}}"#)
  }

  /// The same events with the line ends of another world.
  func withCRLF(_ steps: [Step]) -> [Step] {
    steps.map { step in
      guard case .send(let text) = step, text.hasPrefix("data") || text.hasPrefix("event") else {
        return step
      }
      return .send(text.replacing("\n", with: "\r\n"))
    }
  }
}

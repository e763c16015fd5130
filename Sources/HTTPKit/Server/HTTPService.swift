/// What answers requests. One instance per event loop, used on that loop's thread only, so it may
/// hold caches and counters without locks.
package protocol HTTPService: AnyObject {
  /// Asked once the head is complete, before any of the body is kept.
  func admit(_ request: RequestView) -> Admission

  /// Answers through `reply`, now or later. Views are valid during the call only. `ticket` is what
  /// `admit` gave for this request.
  func handle(_ request: RequestView, ticket: Int, _ reply: inout Reply)
}

/// Whether a request's body is worth receiving.
package enum Admission {
  /// Up to so many bytes; a larger body is answered 413. `ticket` comes back with the request, so
  /// that nothing has to be looked up twice.
  case accept(bodySizeMax: Int, ticket: Int)
  /// Answered at once; the connection closes if a body would follow.
  case refuse(HTTPResponse)
}

/// How a service answers one request: exactly once, by `send`, `write` or `suspend`.
package struct Reply {
  enum Outcome {
    case none
    case sent
    case suspended(Exchange)
  }

  var output: OutputBuffer
  var outcome = Outcome.none
  let context: HeadContext
  private let makeExchange: () -> Exchange

  init(output: consuming OutputBuffer, context: HeadContext, exchange: @escaping () -> Exchange) {
    self.output = output
    self.context = context
    makeExchange = exchange
  }

  package mutating func send(_ response: HTTPResponse) {
    output.append(response, context)
    outcome = .sent
  }

  /// A 200 of a prepared body, without building a response value.
  package mutating func send(json body: borrowing OutputBuffer) {
    output.begin(200, context)
    output.append("\r\nContent-Type: application/json\r\nContent-Length: ")
    output.append(decimal: body.count)
    output.append("\r\n\r\n")
    if !context.isHead { output.append(body.bytes) }
    outcome = .sent
  }

  /// Leaves the loop: the answer will come through the exchange, from any thread.
  package mutating func suspend() -> Exchange {
    let exchange = makeExchange()
    outcome = .suspended(exchange)
    return exchange
  }
}

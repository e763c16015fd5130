/// How a service answers one request: exactly once, by `send` or `suspend`. One per loop, reused;
/// valid during the call it was handed to.
package final class Reply {
  enum Outcome {
    case none
    case sent
    case suspended(Exchange)
  }

  var output: OutputBuffer
  /// A body that follows `output` as it is; it is sent before anything else is written.
  private(set) var tail: (bytes: [UInt8], isKept: Bool)?
  /// A larger body is not copied.
  private static let copiedMax = 16 * 1024
  private var body = OutputBuffer()
  var outcome = Outcome.none
  /// The status answered during the call; 0 while nothing was.
  package private(set) var sentStatus = 0
  var context = HeadContext(date: [], keepAlive: true, minorVersion: 1, isHead: false)
  var slot = 0
  var generation: UInt32 = 0
  /// nil for a reply that belongs to no loop.
  private let mailbox: Mailbox?
  /// What a reply that belongs to no loop was given to send.
  package private(set) var kept: HTTPResponse?

  /// The usual head of a JSON answer up to its length; written once a second.
  private var jsonHead: [UInt8] = []

  init(mailbox: Mailbox) {
    self.mailbox = mailbox
    output = OutputBuffer(capacity: 64 * 1024)
  }

  /// A reply that belongs to no loop: it keeps what it is given. Nothing can be suspended with it.
  package init() {
    mailbox = nil
    output = OutputBuffer(capacity: 1)
  }

  /// The answer that a suspended request has been given so far; 0 while there is none, or where
  /// none was suspended.
  package var suspendedStatus: Int {
    if case .suspended(let exchange) = outcome { return exchange.status }
    return 0
  }

  func setDate(_ date: [UInt8]) {
    context.date = date
    jsonHead =
      Array("HTTP/1.1 200 OK\r\nDate: ".utf8) + date
      + Array("\r\nContent-Type: application/json\r\nContent-Length: ".utf8)
  }

  /// Whether something waits to be sent.
  var hasOutput: Bool { !output.isEmpty || tail != nil }

  /// A whole answer with its length.
  func put(_ response: HTTPResponse, _ context: HeadContext) {
    guard output.appendHead(response, context) else { return }
    if response.body.count > Self.copiedMax {
      tail = (response.body, response.isBodyKept)
    } else {
      output.append(response.body)
    }
  }

  /// Forgets what was to be sent.
  func clear() {
    output.removeAll()
    tail = nil
  }

  /// Forgets the request before.
  func prepare() {
    outcome = .none
    sentStatus = 0
  }

  package func send(_ response: HTTPResponse) {
    guard mailbox != nil else {
      kept = response
      return
    }
    put(response, context)
    sentStatus = response.status
    outcome = .sent
  }

  /// Answers 200 with the JSON that `write` puts into the buffer; no response value is built and,
  /// once the buffers have grown, nothing is allocated.
  package func sendJSON(_ write: (inout OutputBuffer) -> Void) {
    body.removeAll()
    write(&body)
    guard mailbox != nil else {
      kept = HTTPResponse(status: 200, body: body.array)
      return
    }
    if context.keepAlive, context.minorVersion > 0 {
      output.append(jsonHead)
    } else {
      output.begin(200, context)
      output.append("\r\nContent-Type: application/json\r\nContent-Length: ")
    }
    output.append(decimal: body.count)
    output.append("\r\n\r\n")
    if !context.isHead { output.append(body.bytes.assumingMemoryBound(to: UInt8.self)) }
    sentStatus = 200
    outcome = .sent
  }

  /// Answers 304 for a representation of this tag (with its quotes).
  package func sendNotModified(entityTag: [UInt8]) {
    guard mailbox != nil else {
      let tag = String(decoding: entityTag, as: UTF8.self)
      kept = HTTPResponse(status: 304, headers: [("Cache-Control", "no-cache"), ("ETag", tag)])
      return
    }
    output.begin(304, context)
    output.append("\r\nCache-Control: no-cache\r\nETag: ")
    output.append(entityTag)
    output.append("\r\n\r\n")
    sentStatus = 304
    outcome = .sent
  }

  /// Leaves the loop: the answer will come through the exchange, from any thread.
  package func suspend() -> Exchange {
    guard let mailbox else { preconditionFailure("a reply without a loop cannot be suspended") }
    let exchange = Exchange(slot: slot, generation: generation, mailbox: mailbox)
    outcome = .suspended(exchange)
    return exchange
  }
}

import Glibc
import HTTPKit
import PlatformKit

/// Reading, parsing, answering.
extension EventLoop {
  /// Times one connection is read from before others have their turn: a quarter of a mebibyte.
  private static let readsAtOnce = 4

  /// Events are edge-triggered: what is there is read until the socket has no more, or until the
  /// connection has enough; `updateInterest` asks for the rest later.
  func read(_ connection: HTTPConnection, hangup: Bool) {
    var reads = 0
    while connections[connection.slot] === connection {
      if connection.exchange != nil {
        // While an answer is being made only its reader's departure is of interest.
        if hangup {
          drop(connection)
        } else {
          connection.hasUnread = true
          updateInterest(connection)
        }
        return
      }
      let count = scratch.withUnsafeMutableBytes {
        recv(connection.descriptor, $0.baseAddress, $0.count, 0)
      }
      guard count > 0 else {
        if count == 0 || (errno != EAGAIN && errno != EINTR) { drop(connection) }
        return
      }
      if !connection.isLingering { take(connection, count) }
      let blocked = connection.outputPending > 0
      // A short read has emptied the socket; after a hangup its end is still to be seen.
      guard hangup || count == scratch.count, !blocked else { return }
      reads += 1
      if reads == Self.readsAtOnce, connections[connection.slot] === connection {
        // Others have a turn before the rest is read.
        unfinished.append((connection.slot, connection.generation, hangup))
        return
      }
    }
  }

  /// Serves the first `count` bytes of `scratch`.
  private func take(_ connection: HTTPConnection, _ count: Int) {
    if connection.input.isEmpty {
      let used = scratch.withUnsafeBufferPointer { buffer in
        process(connection, ByteView(UnsafeBufferPointer(rebasing: buffer[..<count])))
      }
      if used < count, connections[connection.slot] === connection, !connection.isLingering {
        keep(connection, scratch[used..<count])
      }
    } else {
      keep(connection, scratch[..<count])
      processInput(connection)
    }
    settle(connection)
  }

  /// A body's room grows with what has come, up to its announced length and not beyond.
  private func keep(_ connection: HTTPConnection, _ bytes: ArraySlice<UInt8>) {
    let count = connection.input.count + bytes.count
    if count > connection.input.capacity, let length = connection.pending?.lengthInInput {
      connection.input.reserveCapacity(max(count, min(length, 2 * count)))
    }
    connection.input.append(contentsOf: bytes)
  }

  /// Serves what has been buffered, and keeps the rest.
  func processInput(_ connection: HTTPConnection) {
    guard !connection.input.isEmpty, !connection.isLingering else { return }
    let input = connection.input
    let used = input.withUnsafeBufferPointer { process(connection, ByteView($0)) }
    guard used > 0, connections[connection.slot] === connection, !connection.isLingering else {
      return
    }
    // Freed when empty: an idle connection owns no buffer.
    connection.input = used == input.count ? [] : Array(input[used...])
  }

  /// Takes as many complete requests as there are; returns the bytes consumed. A client that does
  /// not read its answers gets no more of them.
  private func process(_ connection: HTTPConnection, _ bytes: ByteView) -> Int {
    var used = 0
    while used < bytes.count, connection.exchange == nil, !connection.isLingering,
      !connection.closeAfterOutput
    {
      if reply.tail != nil || reply.output.count > limits.pipelinedOutputMax { flush(connection) }
      // What the socket takes costs us nothing; what it leaves is for `resumeWriting` to go on.
      guard connections[connection.slot] === connection, connection.outputPending == 0 else {
        return used
      }
      let rest = bytes[used..<bytes.count]
      do throws(ParseFailure) {
        guard let count = try advance(connection, rest) else { break }
        used += count
      } catch {
        flush(connection)
        fail(connection, status: error.status, detail: error.detail, asks: rest)
        return bytes.count
      }
    }
    flush(connection)
    return used
  }

  /// One step of the connection's phase; nil when more bytes are needed.
  private func advance(_ connection: HTTPConnection, _ bytes: ByteView) throws(ParseFailure) -> Int?
  {
    switch connection.phase {
    case .idle, .head:
      guard let head = try RequestParser.parse(bytes, limits) else {
        if connection.phase == .idle {
          connection.phase = .head
          setDeadline(connection, in: limits.headTimeout)
        }
        return nil
      }
      return try admit(connection, head, bytes)
    case .body: return try receive(connection, bytes)
    case .suspended, .lingering: return nil
    }
  }

  private func receive(_ connection: HTTPConnection, _ bytes: ByteView) throws(ParseFailure) -> Int?
  {
    guard let pending = connection.pending else { return nil }
    guard pending.decoder != nil else {
      guard case .length(let length) = pending.head.framing,
        bytes.count - pending.head.length >= length
      else { return nil }
      connection.pending = nil
      let end = pending.head.length + length
      serve(connection, pending.head, bytes, body: bytes[pending.head.length..<end])
      return end
    }
    // In place: taken out and put back, every arrival would copy the body so far.
    let count: Int
    do throws(ParseFailure) { count = try pending.decoder?.consume(bytes) ?? 0 } catch {
      throw error == .bodyTooLarge && pending.isSentAgain ? .bodyTooLargeAtOnce : error
    }
    guard let decoder = pending.decoder, decoder.isDone else { return count }
    connection.pending = nil
    pending.headBytes.withUnsafeBufferPointer { head in
      decoder.body.withUnsafeBufferPointer { body in
        serve(
          connection, pending.head, ByteView(head), body: ByteView(body),
          hasMore: bytes.count > count)
      }
    }
    return count
  }

  private func admit(
    _ connection: HTTPConnection, _ head: RequestHead, _ bytes: ByteView
  ) throws(ParseFailure) -> Int? {
    let view = RequestView(head, in: bytes, body: .empty, from: connection.peer)
    switch service.admit(view) {
    case .refuse(let response):
      let bodiless = head.framing == .length(0)
      respond(
        connection, head, response, close: !bodiless, hasMore: bytes.count > head.length)
      return bodiless ? head.length : bytes.count
    case .accept(let bodySizeMax, let ticket, let account, let isSentAgain):
      var head = head
      head.ticket = ticket
      if head.framing == .length(0) {
        serve(connection, head, bytes, body: .empty, isFresh: true)
        return head.length
      }
      if case .length(let length) = head.framing {
        guard length <= bodySizeMax else {
          throw isSentAgain ? .bodyTooLargeAtOnce : .bodyTooLarge
        }
        if bytes.count - head.length >= length {
          let end = head.length + length
          serve(connection, head, bytes, body: bytes[head.length..<end], isFresh: true)
          return end
        }
        connection.pending = PendingRequest(head, account: account, isSentAgain: isSentAgain)
      } else {
        connection.pending = PendingRequest(
          head, account: account, isSentAgain: isSentAgain,
          headBytes: bytes[0..<head.length].array,
          decoder: ChunkedDecoder(bodyMax: bodySizeMax, overheadMax: limits.chunkOverheadMax))
      }
      connection.phase = .body
      setDeadline(connection, in: limits.bodyTimeout)
      if head.expectsContinue, bytes.count == head.length {
        reply.output.append("HTTP/1.1 100 Continue\r\n\r\n")
      }
      return head.framing == .chunked ? head.length : nil
    }
  }

  private func context(_ head: RequestHead, keepAlive: Bool) -> HeadContext {
    HeadContext(
      date: reply.context.date, keepAlive: keepAlive, minorVersion: head.minorVersion,
      isHead: head.method == .head)
  }

  private func respond(
    _ connection: HTTPConnection, _ head: RequestHead, _ response: HTTPResponse, close: Bool,
    hasMore: Bool = false
  ) {
    let keepAlive = head.keepAlive && !close && (!draining || hasMore)
    reply.put(response, context(head, keepAlive: keepAlive))
    finishRequest(connection, keepAlive: keepAlive)
  }

  private func finishRequest(_ connection: HTTPConnection, keepAlive: Bool) {
    connection.phase = .idle
    connection.closeAfterOutput = !keepAlive
    setDeadline(connection, in: limits.idleTimeout)
  }

  private func serve(
    _ connection: HTTPConnection, _ head: RequestHead, _ bytes: ByteView, body: ByteView,
    isFresh: Bool = false, hasMore: Bool? = nil
  ) {
    // What has been received is answered, also while draining; the last answer ends the connection.
    let end = head.framing == .chunked ? 0 : head.length + body.count
    let keepAlive = head.keepAlive && (!draining || hasMore ?? (bytes.count > end))
    reply.slot = connection.slot
    reply.generation = connection.generation
    reply.context.keepAlive = keepAlive
    reply.context.minorVersion = head.minorVersion
    reply.context.isHead = head.method == .head
    reply.prepare()
    service.handle(
      RequestView(head, in: bytes, body: body, from: connection.peer), ticket: head.ticket,
      isFresh: isFresh, reply)
    switch reply.outcome {
    case .sent: finishRequest(connection, keepAlive: keepAlive)
    case .suspended(let exchange):
      connection.phase = .suspended
      connection.exchange = exchange
      connection.stream = reply.context
      connection.deadline = .never
    case .none:
      // A service that answers nothing is our bug; the client must not hang for it.
      let response = HTTPResponse.problem(
        status: 500, code: "internal", detail: "The server did not answer; please report this.")
      respond(connection, head, response, close: true)
    }
  }

  // MARK: Answers from elsewhere

  func deliver(_ kind: Mailbox.Message.Kind, to connection: HTTPConnection) {
    guard let exchange = connection.exchange, var context = connection.stream else { return }
    // What came while the answer was made is answered too, and the last answer says close.
    if draining, connection.input.isEmpty, !connection.hasUnread { context.keepAlive = false }
    switch kind {
    case .response(let response):
      reply.put(response, context)
      complete(connection, exchange, keepAlive: context.keepAlive)
    case .begin(let head):
      // HTTP/1.0 knows no chunks: the end of the connection is the end of the stream.
      if context.minorVersion == 0 { context.keepAlive = false }
      connection.stream = context
      reply.output.begin(head.status, context)
      reply.output.append("\r\nContent-Type: ")
      reply.output.append(head.contentType)
      if context.minorVersion > 0 { reply.output.append("\r\nTransfer-Encoding: chunked") }
      reply.output.appendFields(head.headers)
      reply.output.append("\r\n\r\n")
    case .chunk(let bytes):
      if !context.isHead { appendChunk(bytes, context) }
    case .finish:
      if context.minorVersion > 0, !context.isHead { reply.output.append("0\r\n\r\n") }
      complete(connection, exchange, keepAlive: context.keepAlive)
    case .abort:
      flush(connection)
      drop(connection)
      return
    case .drain, .stop: return
    }
    flush(connection)
    if connections[connection.slot] === connection, connection.exchange == nil {
      processInput(connection)
    }
    settle(connection)
  }

  private func appendChunk(_ bytes: [UInt8], _ context: HeadContext) {
    guard context.minorVersion > 0 else {
      reply.output.append(bytes)
      return
    }
    reply.output.append(text: String(bytes.count, radix: 16))
    reply.output.append("\r\n")
    reply.output.append(bytes)
    reply.output.append("\r\n")
  }

  private func complete(_ connection: HTTPConnection, _ exchange: Exchange, keepAlive: Bool) {
    exchange.complete()
    connection.exchange = nil
    connection.stream = nil
    connection.hasUnread = false
    finishRequest(connection, keepAlive: keepAlive)
  }

  /// Answers an error that ends the connection, and lingers so that the client can read it. `asks`
  /// begins with the request that failed, where it is not what the connection holds.
  func fail(
    _ connection: HTTPConnection, status: Int, detail: String, asks bytes: ByteView? = nil
  ) {
    guard connections[connection.slot] === connection, !connection.isLingering else { return }
    let codes = [
      408: "request_timeout", 413: "body_too_large", 414: "uri_too_long", 417: "expectation_failed",
      431: "head_too_large", 501: "not_implemented", 503: "overloaded",
      505: "version_not_supported",
    ]
    let response = HTTPResponse.problem(
      status: status, code: codes[status] ?? "bad_request", detail: detail,
      headers: status == 503 ? [("Retry-After", "1")] : [])
    reply.put(
      response,
      HeadContext(
        date: reply.context.date, keepAlive: false, minorVersion: 1,
        isHead: isHead(connection, bytes)))
    connection.closeAfterOutput = true
    connection.phase = .idle
    connection.pending = nil
    forget(connection)
    flush(connection)
    settle(connection)
  }

  /// Whether the request that failed is a HEAD, which no answer may have a body for.
  private func isHead(_ connection: HTTPConnection, _ bytes: ByteView?) -> Bool {
    if let pending = connection.pending { return pending.head.method == .head }
    func begins(_ view: ByteView) -> Bool { view.hasPrefix("HEAD ") || view.hasPrefix("\r\nHEAD ") }
    if let bytes { return begins(bytes) }
    return connection.input.withUnsafeBufferPointer { begins(ByteView($0)) }
  }
}

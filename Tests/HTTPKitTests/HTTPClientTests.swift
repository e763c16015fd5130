import HTTPKit
import PlatformKit
import RolloutTesting
import Testing

@Suite struct HTTPClientTests {
  private let upstream = ScriptedUpstream()

  private func call(_ adjust: (inout HTTPCall) -> Void = { _ in }) -> HTTPCall {
    var call = HTTPCall("POST", upstream.url + "/x", body: Array("hi".utf8))
    call.timeouts.firstByte = 5
    call.timeouts.idle = 5
    call.timeouts.total = 10
    adjust(&call)
    return call
  }

  /// How a call fails against an upstream that does these steps.
  private func failure(
    _ steps: ScriptedUpstream.Step..., adjust: (inout HTTPCall) -> Void = { _ in }
  ) async throws -> HTTPFailure {
    upstream.next(steps)
    let client = try HTTPClient()
    return try await #require(throws: HTTPFailure.self) { try await client.execute(call(adjust)) }
  }

  @Test func `a whole answer comes with its head, and the request is sent as given`() async throws {
    upstream.next(.answer(201, "hello", headers: "X-Thing: a\r\n"))
    let client = try HTTPClient()
    let (head, body) = try await client.execute(call { $0.headers = [("x-key", "v")] })
    #expect(head.status == 201)
    #expect(head.header("x-thing") == "a")
    #expect(body == Array("hello".utf8))
    #expect(upstream.requests[0].contains("x-key: v\r\n"))
    #expect(upstream.requests[0].hasSuffix("\r\n\r\nhi"))
    #expect(!upstream.requests[0].contains("Expect"))
  }

  @Test func `a stream is read as it comes`() async throws {
    upstream.next(
      .send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none"), .wait(milliseconds: 50),
      .send("two"), .reset)
    upstream.next(
      .send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none"), .wait(milliseconds: 50),
      .send("two"))
    let client = try HTTPClient()
    let broken = try await client.stream(call())
    await #expect(throws: HTTPFailure.self) { while try await broken.next() != nil {} }
    let whole = try await client.stream(call())
    var text = ""
    while let bytes = try await whole.next() { text += String(decoding: bytes, as: UTF8.self) }
    #expect(text == "onetwo")
  }

  @Test func `handles that are used again carry nothing over`() async throws {
    upstream.always(.answer(200, "ok"))
    let client = try HTTPClient()
    for (method, body, field) in [
      ("POST", "first body, long", "1"), ("POST", "second", "2"), ("GET", "", "3"),
      ("POST", "", "4"), ("PUT", "third", "5"), ("DELETE", "", "6"), ("GET", "", "7"),
      ("POST", "fourth", "7"),
    ] {
      let call = HTTPCall(
        method, upstream.url + "/x", headers: [("x-n", field)], body: Array(body.utf8))
      _ = try await client.execute(call)
      let sent = try #require(upstream.requests.last)
      #expect(sent.hasPrefix("\(method) /x HTTP/1.1\r\n"))
      #expect(sent.hasSuffix("\r\n\r\n\(body)"), "\(sent)")
      #expect(sent.contains("x-n: \(field)\r\n"))
    }
  }

  @Test func `a connection that the peer closed while idle costs no call`() async throws {
    let client = try HTTPClient()
    for round in 0..<30 {
      // Kept open, closed with the answer, closed a little later.
      switch round % 3 {
      case 0: upstream.next(.answer(200, "\(round)"))
      case 1: upstream.next(.answer(200, "\(round)"), .close)
      default: upstream.next([.answer(200, "\(round)"), .wait(milliseconds: 5), .close])
      }
      let (_, body) = try await client.execute(call())
      #expect(body == Array("\(round)".utf8))
      if round % 2 == 0 { try await Task.sleep(for: .milliseconds(15)) }
    }
  }

  @Test func `each clock says which one it was`() async throws {
    #expect(try await failure(.hang) { $0.timeouts.firstByte = 0.3 } == .timeout(.firstByte))
    let part = ScriptedUpstream.Step.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    #expect(try await failure(part, .hang) { $0.timeouts.idle = 0.3 } == .timeout(.idle))
    // Bytes that keep coming reset the idle clock, never the total one.
    let drip = Array(
      repeating: [ScriptedUpstream.Step.wait(milliseconds: 100), .send("a")], count: 20)
    upstream.next([.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")] + drip.flatMap { $0 })
    let client = try HTTPClient()
    await #expect(throws: HTTPFailure.timeout(.total)) {
      try await client.execute(call { $0.timeouts.total = 0.6 })
    }
  }

  @Test func `refused, reset, garbage and oversize are told apart`() async throws {
    let client = try HTTPClient()
    let refused = try await #require(throws: HTTPFailure.self) {
      try await client.execute(HTTPCall("GET", "http://127.0.0.1:1/"))
    }
    guard case .unreachable = refused else {
      Issue.record("refused was \(refused)")
      return
    }
    for steps in [ScriptedUpstream.Step.reset, .send("not http\r\n\r\n")] {
      let failure = try await failure(steps, .reset)
      guard case .broken = failure else {
        Issue.record("\(steps) was \(failure)")
        return
      }
    }
    #expect(
      try await failure(.answer(200, String(repeating: "a", count: 5000))) {
        $0.answerSizeMax = 1000
      } == .tooLarge)
  }

  @Test func `headers with line breaks are refused before they are sent`() async throws {
    let client = try HTTPClient()
    for header in [("x", "a\r\nEvil: 1"), ("x\n", "a"), ("", "a")] {
      await #expect(throws: HTTPFailure.self) {
        try await client.execute(call { $0.headers = [header] })
      }
    }
    #expect(upstream.requests.isEmpty)
  }

  @Test func `cancelling closes the connection at once, before and during the answer`() async throws
  {
    upstream.always(.hang)
    let client = try HTTPClient()
    let waiting = Task { try await client.execute(call { $0.timeouts.firstByte = 30 }) }
    while upstream.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
    waiting.cancel()
    await #expect(throws: HTTPFailure.cancelled) { try await waiting.value }
    upstream.next(.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .hang)
    do {
      let stream = try await client.stream(call())
      _ = try await stream.next()
    }
    for _ in 0..<200 where upstream.peersGone < 2 { try await Task.sleep(for: .milliseconds(10)) }
    #expect(upstream.peersGone == 2)
  }

  @Test func `many random cancellations leave nothing behind`() async throws {
    upstream.always(.wait(milliseconds: 3), .answer(200, "ok"))
    let client = try HTTPClient()
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<300 {
        group.addTask {
          let task = Task { try await client.execute(call()) }
          try? await Task.sleep(for: .milliseconds(index % 8))
          task.cancel()
          _ = try? await task.value
        }
      }
    }
    let (head, _) = try await client.execute(call { $0.timeouts.firstByte = 5 })
    #expect(head.status == 200)
  }

  @Test func `connections are used again, and closed with their client`() async throws {
    upstream.always(.wait(milliseconds: 30), .answer(200, "ok"))
    do {
      let client = try HTTPClient()
      // Many, so that they are spread over all multi handles, and then fewer.
      for count in [100, 100, 20, 1, 1, 1] {
        try await withThrowingTaskGroup(of: Int.self) { group in
          for _ in 0..<count {
            group.addTask { try await client.execute(self.call()).head.status }
          }
          for try await status in group { #expect(status == 200) }
        }
      }
      #expect(upstream.connections.opened <= 100)
      #expect(upstream.connections.open > 1)
    }
    for _ in 0..<200 where upstream.connections.open > 0 {
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(upstream.connections.open == 0)
  }

  @Test func `more calls than may look for a connection at once all come through`() async throws {
    upstream.always(.answer(200, "ok"))
    let client = try HTTPClient()
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<300 {
        group.addTask { try await client.execute(self.call()).head.status }
      }
      for try await status in group { #expect(status == 200) }
    }
    #expect(upstream.requests.count == 300)
  }

  @Test func `calls beyond the descriptors wait for a connection, idle ones make room`()
    async throws
  {
    let other = ScriptedUpstream()
    upstream.always(.wait(milliseconds: 20), .answer(200, "ok"))
    other.always(.wait(milliseconds: 20), .answer(200, "ok"))
    // Three for calls.
    let client = try HTTPClient(descriptors: DescriptorShare(limit: 10))
    for url in [upstream.url, other.url, upstream.url] {
      try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<12 {
          group.addTask { try await client.execute(HTTPCall("GET", url)).head.status }
        }
        for try await status in group { #expect(status == 200) }
      }
    }
  }

  @Test func `what waits for a connection can be cancelled, and does not wait for ever`()
    async throws
  {
    upstream.always(.hang)
    let client = try HTTPClient(descriptors: DescriptorShare(limit: 10))
    let held = (0..<3).map { _ in Task { try await client.execute(call()) } }
    while upstream.requests.count < 3 { try await Task.sleep(for: .milliseconds(5)) }
    let overdue = try await #require(throws: HTTPFailure.self) {
      try await client.execute(call { $0.timeouts.connect = 0.2 })
    }
    #expect(overdue == .timeout(.connect))
    let waiting = Task { try await client.execute(call()) }
    try await Task.sleep(for: .milliseconds(50))
    waiting.cancel()
    #expect(await waiting.result.failure as? HTTPFailure == .cancelled)
    for task in held { task.cancel() }
    for task in held { _ = await task.result }
    #expect(upstream.requests.count == 3)
  }
}

extension Result {
  fileprivate var failure: Failure? {
    if case .failure(let failure) = self { return failure }
    return nil
  }
}

import Glibc
import Synchronization

/// A server on loopback that does exactly what the test says: answers, stalls, breaks off.
package final class ScriptedUpstream: Sendable {
  package enum Step: Sendable {
    case send(String)
    /// Bytes that need not be whole characters.
    case bytes([UInt8])
    case wait(milliseconds: Int)
    /// Keeps the connection open and silent until the peer leaves.
    case hang
    case close
    /// Closes so that the peer sees a reset.
    case reset
  }

  fileprivate struct State {
    var scripts: [[Step]] = []
    var fallback: @Sendable (String) -> [Step] = { _ in [] }
    var requests: [String] = []
    var peersGone = 0
    var opened = 0
    var open = 0
  }

  package let port: Int
  private let listener: Int32
  private let core = Core()

  package var url: String { "http://127.0.0.1:\(port)" }
  /// Every request so far, as received.
  package var requests: [String] { core.state.withLock { $0.requests } }
  /// How many hanging connections were left by their peer.
  package var peersGone: Int { core.state.withLock { $0.peersGone } }
  /// How many connections there have been, and how many there are.
  package var connections: (opened: Int, open: Int) {
    core.state.withLock { ($0.opened, $0.open) }
  }

  package init() {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        precondition(bind(listener, pointer, length) == 0, "bind failed")
        precondition(listen(listener, 256) == 0, "listen failed")
        getsockname(listener, pointer, &length)
      }
    }
    port = Int(UInt16(bigEndian: address.sin_port))
    self.listener = listener
    // The thread owns the descriptor: closed by anybody else, its number could come back as another
    // test's listener while this thread still accepts on it.
    onThread { [core] in
      while true {
        let peer = accept(listener, nil, nil)
        guard peer >= 0 else { break }
        onThread { core.serve(peer) }
      }
      close(listener)
    }
  }

  deinit { shutdown(listener, Int32(SHUT_RDWR)) }

  /// What the next request gets, once; queued.
  package func next(_ steps: Step...) { next(steps) }

  package func next(_ steps: [Step]) { core.state.withLock { $0.scripts.append(steps) } }

  /// What requests get when nothing is queued.
  package func always(_ steps: Step...) { always(steps) }

  package func always(_ steps: [Step]) { core.state.withLock { $0.fallback = { _ in steps } } }

  /// The same, by what the request says.
  package func always(_ answer: @escaping @Sendable (String) -> [Step]) {
    core.state.withLock { $0.fallback = answer }
  }

  /// Forgets what was queued.
  package func clear() { core.state.withLock { $0.scripts = [] } }

}

/// What the threads of an upstream share; it outlives the upstream while connections are open.
private final class Core: Sendable {
  let state = Mutex(ScriptedUpstream.State())

  func serve(_ peer: Int32) {
    state.withLock {
      $0.opened += 1
      $0.open += 1
    }
    defer {
      close(peer)
      state.withLock { $0.open -= 1 }
    }
    var one: Int32 = 1
    setsockopt(peer, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    while let request = readRequest(peer) {
      let steps = state.withLock { state in
        state.requests.append(request)
        return state.scripts.isEmpty ? state.fallback(request) : state.scripts.removeFirst()
      }
      for step in steps where !perform(step, peer) { return }
    }
  }

  /// False when the connection is over.
  private func perform(_ step: ScriptedUpstream.Step, _ peer: Int32) -> Bool {
    switch step {
    case .send(let text): return perform(.bytes(Array(text.utf8)), peer)
    case .bytes(let bytes):
      var sent = 0
      while sent < bytes.count {
        let count = bytes[sent...].withUnsafeBytes {
          send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count > 0 else { return false }
        sent += count
      }
      return true
    case .wait(let milliseconds):
      usleep(UInt32(milliseconds * 1000))
      return true
    case .hang:
      var byte: UInt8 = 0
      while recv(peer, &byte, 1, 0) > 0 {}
      state.withLock { $0.peersGone += 1 }
      return false
    case .close: return false
    case .reset:
      var linger = linger(l_onoff: 1, l_linger: 0)
      setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
      return false
    }
  }

  private func readRequest(_ peer: Int32) -> String? {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let text = String(decoding: bytes, as: UTF8.self)
      if let end = text.firstRange(of: "\r\n\r\n") {
        let head = text[..<end.lowerBound].lowercased()
        let length =
          head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
          .flatMap { Int($0.dropFirst(15).filter { $0 != " " }) } ?? 0
        if text[end.upperBound...].utf8.count >= length { return text }
      }
      let count = recv(peer, &buffer, buffer.count, 0)
      guard count > 0 else { return nil }
      bytes += buffer[..<count]
    }
  }
}

extension ScriptedUpstream {
  /// The body of an OpenAI chat completion.
  package static func completion(_ content: String, model: String = "scripted") -> String {
    """
    {"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"\(model)","choices":[\
    {"index":0,"message":{"role":"assistant","content":"\(content)"},"finish_reason":"stop"}],\
    "usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}
    """
  }
}

extension ScriptedUpstream.Step {
  /// A whole HTTP answer.
  package static func answer(
    _ status: Int, _ body: String, headers: String = "", type: String = "application/json"
  ) -> Self {
    .send(
      "HTTP/1.1 \(status) Scripted\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)"
        + "\r\n\(headers)\r\n\(body)")
  }

  /// An OpenAI chat completion.
  package static func chat(_ content: String, model: String = "scripted") -> Self {
    .answer(200, ScriptedUpstream.completion(content, model: model))
  }

  /// The head of an event stream that ends with the connection.
  package static let streamHead = Self.send(
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")

  /// One chat completion chunk.
  package static func chunk(_ content: String) -> Self {
    .send(
      """
      data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"scripted","choices":[\
      {"index":0,"delta":{"content":"\(content)"},"finish_reason":null}],"usage":null}\n\n
      """)
  }

  /// The proper end of a streamed chat.
  package static let streamEnd = Self.send(
    """
    data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"scripted","choices":[\
    {"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

    data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"scripted","choices":[],\
    "usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}

    data: [DONE]


    """)
}

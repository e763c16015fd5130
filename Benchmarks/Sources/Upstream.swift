import HTTPKit
import HTTPServerKit

/// A provider that answers a second later, or streams sixteen words at an even pace; paths that end
/// in `/hang` are never answered.
enum Upstream {
  private static let delay = Duration.seconds(1)
  private static let words = 16
  private static let pace = Duration.milliseconds(50)

  static func serve(_ port: Int) async throws -> Never {
    var limits = HTTPLimits()
    limits.idleTimeout = 600_000
    let server = try HTTPServer(host: "127.0.0.1", port: port, loops: 1, limits: limits) { _ in
      Service()
    }
    print("listening on \(server.port)")
    while true { try await Task.sleep(for: .seconds(3600)) }
  }

  private final class Service: HTTPService {
    func admit(_ request: RequestView) -> Admission { .accept(bodySizeMax: 1 << 20, ticket: 0) }

    func handle(_ request: RequestView, ticket: Int, isFresh: Bool, _ reply: Reply) {
      let isStream = request.body.string.contains(#""stream":true"#)
      let hangs = request.path.hasPrefix("/hang")
      let exchange = reply.suspend()
      let task = Task {
        if hangs {
          try await Task.sleep(for: .seconds(3600))
        } else if isStream {
          try await stream(exchange)
        } else {
          try await Task.sleep(for: delay)
          exchange.respond(HTTPResponse(status: 200, body: Array(completion.utf8)))
        }
      }
      exchange.onDisconnect { task.cancel() }
    }
  }

  private static func stream(_ exchange: Exchange) async throws {
    exchange.begin(status: 200, contentType: "text/event-stream")
    for number in 0..<words {
      try await Task.sleep(for: pace)
      try await exchange.write(chunk(#"{"content":"word\#(number) "}"#, finish: "null"))
    }
    try await exchange.write(chunk("{}", finish: #""stop""#) + Array("data: [DONE]\n\n".utf8))
    exchange.finish()
  }

  private static func chunk(_ delta: String, finish: String) -> [UInt8] {
    let json =
      #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":"#
      + #"[{"index":0,"delta":\#(delta),"finish_reason":\#(finish)}]}"#
    return Array("data: \(json)\n\n".utf8)
  }

  private static let completion = """
    {"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,\
    "message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],\
    "usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}
    """
}

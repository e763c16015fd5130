import HTTPServerKit

/// An event stream as server-sent events (WHATWG HTML §9.2), the native one or OFREP's.
struct EventStream: EventSink {
  let exchange: Exchange
  let writer: EventWriter

  func begin() {
    exchange.begin(
      status: 200, contentType: "text/event-stream",
      headers: [("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")])
    try? exchange.offer(EventWriter.opening, backlogMax: .max)
  }

  func offer(_ news: [EventNews], backlogMax: Int) throws {
    try exchange.offer(writer.bytes(news), backlogMax: backlogMax)
  }

  func write(_ news: [EventNews]) async throws { try await exchange.write(writer.bytes(news)) }

  func finish() { exchange.finish() }
  func abort() { exchange.abort() }

  func refuse() {
    exchange.respond(
      .problem(
        status: 503, code: "unavailable", detail: "The stream has ended; come again.",
        headers: [("Retry-After", "1")]))
  }

  var isGone: Bool { exchange.isDisconnected }
  func onGone(_ body: @escaping @Sendable () -> Void) { exchange.onDisconnect(body) }
}

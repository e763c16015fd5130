import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway

/// Streamed answers: nothing is sent before the first content, and a broken stream never ends as
/// if it were whole.
extension ChatEndpoint {
  func stream(_ call: ChatCall, _ exchange: Exchange) async {
    let wantsUsage = call.request["stream_options"]?["include_usage"]?.bool == true
    guard call.decision?.enabled == true, let route = call.route(gateway.configuration) else {
      // Not in the rollout, or no route: the same answers as without streaming.
      await send(await answer(call), call, exchange, wantsUsage)
      return
    }
    let cached = AnswerCache.key(call, route)
    if let hit = cached.flatMap({ fresh(call, $0.key) }) {
      await send(hit, call, exchange, wantsUsage)
      return
    }
    var call = call
    let hold: Purse.Hold?
    do { hold = try await reserve(&call, route) } catch {
      await send(refused(call, error), call, exchange, wantsUsage)
      return
    }
    let streaming: Gateway.Streaming
    do { streaming = try await gateway.stream(call.request, route: route, for: call.caller) } catch
    {
      await purse.settle(hold, cost: owed(error), provider: nil)
      await send(exhausted(call, error, cached?.key), call, exchange, wantsUsage)
      return
    }
    begin(exchange, call.headers(.provider(streaming.trail, nil, dropped: streaming.dropped)))
    let isCaptured = captures.wants(call)
    let (cost, text) = await relay(
      streaming, call, exchange, wantsUsage, isCaptured: isCaptured,
      textSizeMax: isCaptured || cached != nil ? AnswerCache.answerSizeMax : 0)
    if let text, !text.isEmpty, let cached { keep(text, streaming.trail, call, cached) }
    // Whoever leaves early has paid for what nobody counted: a stream tells its usage at the end.
    await purse.settle(hold, cost: cost, provider: streaming.trail.provider)
  }

  private func begin(_ exchange: Exchange, _ headers: [(name: String, value: String)]) {
    exchange.begin(
      status: 200, contentType: "text/event-stream",
      headers: headers + [("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")])
  }

  private func send(
    _ answer: Answer, _ call: ChatCall, _ exchange: Exchange, _ wantsUsage: Bool
  ) async {
    switch answer {
    case .error(let response): exchange.respond(response)
    case .provider(let completion):
      exchange.respond(
        HTTPResponse(status: 200, body: call.shapes.answer(completion, at: clock.now)))
    case .fallback(let text, let reason, let attempts):
      begin(exchange, call.headers(.fallback(reason, attempts)))
      await replay(call.shapes.madeStream(call, text, wantsUsage: wantsUsage), exchange)
    case .cached(let answer, let isStale):
      begin(exchange, headers(call, answer, isStale))
      await replay(
        call.shapes.madeStream(call, answer.text, model: answer.model, wantsUsage: wantsUsage),
        exchange)
    }
  }

  private func replay(_ frames: [[UInt8]], _ exchange: Exchange) async {
    do {
      for bytes in frames { try await exchange.write(bytes) }
      exchange.finish()
    } catch {
      exchange.abort()
    }
  }

  /// Passes chunks on as the reader takes them; returns what the answer cost, nil when nobody
  /// knows, and its text when it is whole, nothing but text, and of at most `textSizeMax` bytes.
  private func relay(
    _ streaming: Gateway.Streaming, _ call: ChatCall, _ exchange: Exchange, _ wantsUsage: Bool,
    isCaptured: Bool, textSizeMax: Int
  ) async -> (cost: Money?, text: String?) {
    var writer = ChatStreamWriter(
      call.shapes, from: streaming.dialect, wantsUsage: wantsUsage, textSizeMax: textSizeMax,
      at: clock.now)
    func ended(_ failure: String?) {
      streaming.end(writer.usage)
      let seconds = Double(monotonicMilliseconds() - call.started) / 1000
      ai.ended(
        streaming.trail.provider, streaming.trail.model, seconds: seconds, failure: failure,
        usage: writer.usage)
    }
    do {
      while let event = try await streaming.next() {
        try await exchange.write(writer.frames(for: event))
      }
      // Counted before its end is sent: who has read the end finds it counted.
      let cost = gateway.cost(of: writer.usage, model: streaming.trail.target)
      record(call, streaming.trail.isFallbackModel ? .degradedModel : .ok, writer.usage, cost)
      ended(nil)
      // All of the answer is out; whoever leaves now has been served.
      try? await exchange.write(writer.end())
      exchange.finish()
      if isCaptured, let text = writer.text {
        captures.keep(call, .text(text), streaming.trail, writer.usage, at: clock.now)
      }
      return (cost, writer.text)
    } catch is Disconnected {
      giveUp(call)
      ended("client_cancelled")
    } catch is CancellationError {
      giveUp(call)
      ended("client_cancelled")
    } catch ProviderFailure.cancelled {
      giveUp(call)
      ended("client_cancelled")
    } catch {
      let failure = error as? ProviderFailure ?? .interrupted("")
      record(
        call, .failed,
        origin: FailureOrigin(
          ProviderModel(provider: streaming.trail.provider, model: streaming.trail.target),
          kind: failure.word, isThrottled: failure.isThrottle), status: failure.status)
      gateway.streamBroke(streaming.trail)
      ended((error as? ProviderFailure)?.word ?? "failed")
      try? await exchange.write(call.shapes.interruption)
      exchange.finish()
    }
    return (nil, nil)
  }
}

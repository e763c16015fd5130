import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway

/// Streamed answers: nothing is sent before the first content, and a broken stream never ends as
/// if it were whole.
extension ChatEndpoint {
  func stream(_ call: ChatCall, _ exchange: Exchange) async {
    let wantsUsage = call.body["stream_options"]?["include_usage"]?.bool == true
    guard call.decision?.enabled == true, let route = call.route(gateway.configuration) else {
      // Not in the rollout, or no route: the same answers as without streaming.
      await send(await answer(call), call, exchange, wantsUsage)
      return
    }
    let streaming: Gateway.Streaming
    do { streaming = try await gateway.stream(call.body, route: route) } catch {
      await send(exhausted(call, error), call, exchange, wantsUsage)
      return
    }
    begin(exchange, call.headers(.provider(streaming.trail, nil)))
    await relay(streaming, call, exchange, wantsUsage)
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
    case .provider(let completion): exchange.respond(.json(completion.body))
    case .fallback(let text, let reason, let attempts):
      begin(exchange, call.headers(.fallback(reason, attempts)))
      do {
        for chunk in ChatDialect.chunks(call, text, wantsUsage: wantsUsage) {
          try await exchange.write(ChatDialect.event(chunk))
        }
        try await exchange.write(ChatDialect.done)
        exchange.finish()
      } catch {
        exchange.abort()
      }
    }
  }

  /// Passes chunks on as the reader takes them.
  private func relay(
    _ streaming: Gateway.Streaming, _ call: ChatCall, _ exchange: Exchange, _ wantsUsage: Bool
  ) async {
    var usage: Usage?
    func ended(_ failure: String?) {
      let seconds = Double(monotonicMilliseconds() - call.started) / 1000
      ai.ended(
        streaming.trail.provider, streaming.trail.model, seconds: seconds, failure: failure,
        usage: usage)
    }
    do {
      while var chunk = try await streaming.next() {
        usage = Usage(chunk["usage"]) ?? usage
        if !wantsUsage {
          // We asked for usage on our own account; the caller did not.
          if chunk["choices"]?.array?.isEmpty == true, Usage(chunk["usage"]) != nil { continue }
          chunk.remove("usage")
        }
        try await exchange.write(ChatDialect.event(chunk))
      }
      try await exchange.write(ChatDialect.done)
      exchange.finish()
      let cost = gateway.cost(of: usage, model: streaming.trail.model)
      record(call, streaming.trail.isFallbackModel ? .degradedModel : .ok, usage, cost)
      ended(nil)
    } catch is Disconnected {
      record(call, .excluded)
      ended("client_cancelled")
    } catch is CancellationError {
      record(call, .excluded)
      ended("client_cancelled")
    } catch ProviderFailure.cancelled {
      record(call, .excluded)
      ended("client_cancelled")
    } catch {
      record(call, .failed)
      ended((error as? ProviderFailure)?.word ?? "failed")
      await interrupt(exchange)
    }
  }

  /// OpenAI's form of a stream that broke off: an error event, and no `[DONE]`.
  private func interrupt(_ exchange: Exchange) async {
    let error = ChatDialect.body(
      message: "The provider's stream broke off; the answer is incomplete.",
      type: "upstream_stream_interrupted", code: nil)
    try? await exchange.write(ChatDialect.event(error))
    exchange.finish()
  }
}

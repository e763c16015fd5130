import DocumentKit
import RolloutCore
import RolloutGateway

/// A provider's answer as it comes, on its way to one caller.
///
/// Between like dialects every event passes as it came; it is looked at for what is counted, and no
/// more.
struct AnswerStream: ~Copyable {
  /// How a stream ended for its caller.
  enum Ending: Sendable {
    case whole
    /// The provider's stream broke off; whoever reads has to be told that this is not all.
    case broken
    /// Nobody reads any more.
    case left
  }

  private let streaming: Gateway.Streaming
  private let bill: Bill
  private let service: AIService

  init(_ streaming: Gateway.Streaming, _ bill: consuming Bill, _ service: AIService) {
    self.streaming = streaming
    bill.open(streaming)
    self.bill = bill
    self.service = service
  }

  var call: AICall { bill.call }
  var trail: Gateway.Trail { streaming.trail }
  /// Parameters that the provider's dialect has no counterpart for.
  var dropped: [String] { streaming.dropped }

  /// Hands each event to `send` in the caller's dialect, and settles the call. What `send` throws
  /// means that nobody reads any more.
  ///
  /// Everything is counted before the end is handed on: who has read the end finds it counted.
  consuming func deliver(_ send: (RawValue) async throws -> Void) async -> Ending {
    let (call, trail) = (bill.call, streaming.trail)
    var tally = StreamTally(streaming.dialect, textSizeMax: bill.textSizeMax)
    var translator = StreamTranslator(
      from: streaming.dialect, to: call.request.dialect,
      created: Int(service.clock.now.milliseconds / 1000))
    do {
      while let event = try await streaming.next() {
        tally.note(event)
        guard translator != nil else {
          try await send(event)
          continue
        }
        guard let document = event.document else {
          throw ProviderFailure.malformed("a key stands twice in an event")
        }
        for made in translator?.events(for: document) ?? [] { try await send(RawValue(made)) }
      }
    } catch let failure as ProviderFailure where failure != .cancelled {
      await bill.breakOff(failure, tally.usage)
      return .broken
    } catch {
      await bill.giveUp(cost: nil, tally.usage)
      return .left
    }
    await bill.serve(
      Bill.Served(
        trail: trail, usage: tally.usage,
        cost: service.gateway.cost(of: tally.usage, model: trail.target), text: tally.text))
    // All of the answer is out; whoever leaves now has been served.
    for made in translator?.end() ?? [] { try? await send(RawValue(made)) }
    return .whole
  }
}

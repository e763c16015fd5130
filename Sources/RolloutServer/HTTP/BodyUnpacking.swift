import HTTPKit
import RolloutAPI

/// Decodes the body of a request that has left its loop. What decoded bodies take in memory is
/// bounded for all together: a few bytes can become a thousand times as many.
struct BodyUnpacking: Sendable {
  /// Bytes that decoded bodies of all requests may take.
  static let roomMax = 256 << 20
  /// No deflated byte stands for more (zlib's technical notes: 1032:1).
  private static let ratioMax = 1032

  let room: FairRoom
  /// nil where the body is plain.
  let coding: ContentCoding?
  let sizeMax: Int
  /// Whether the sender gives up after a 4xx, and sends again after a 503.
  let isSentAgain: Bool
  let dialect: Dialect

  /// Runs `use` with the plain request; answers by itself where there is none.
  func callAsFunction(
    _ request: APIRequest, _ exchange: Exchange, _ use: (APIRequest) async -> Void
  ) async {
    guard let coding, !request.body.isEmpty else {
      await use(request)
      return
    }
    let account = request.principal.account
    // The body was received within its limit, so the product is far from overflowing.
    var held = min(sizeMax, request.body.count * Self.ratioMax)
    guard room.take(held, account) else {
      let problem = Problem(
        .unavailable, "Too many coded bodies are being read; try again in a second.")
      exchange.respond(dialect.error(problem, headers: [("Retry-After", "1")]))
      return
    }
    defer { room.give(held, account) }
    var plain = request
    do throws(Problem) {
      plain.body = try coding.decoded(request.body, sizeMax: sizeMax)
    } catch {
      exchange.respond(refusal(error))
      return
    }
    room.give(held - plain.body.count, account)
    held = plain.body.count
    await use(plain)
  }

  private func refusal(_ problem: Problem) -> HTTPResponse {
    guard isSentAgain, problem.code == ProblemCode.bodyTooLarge.rawValue else {
      return dialect.error(problem)
    }
    return dialect.error(
      Problem(.unavailable, problem.detail), headers: [("Retry-After", "60")])
  }
}

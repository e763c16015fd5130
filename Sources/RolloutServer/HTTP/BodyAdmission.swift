import HTTPServerKit
import RolloutAPI

/// Lets the body of a request leave its loop, and decodes it. What such bodies take in memory is
/// bounded for all together, from the copy until the request is answered: calls may wait a minute
/// for a provider with 32 MiB each, and of coded bodies a few bytes can become a thousand times as
/// many.
struct BodyAdmission: Sendable {
  /// No deflated byte stands for more (zlib's technical notes: 1032:1).
  private static let ratioMax = 1032

  let room: FairRoom
  /// nil where the body is plain.
  let coding: ContentCoding?
  let sizeMax: Int
  /// Whether the sender gives up after a 4xx, and sends again after a 503.
  let isSentAgain: Bool
  let dialect: Dialect

  /// Bytes that bodies of all requests may take in a process that may have `memory` bytes: what is
  /// done with them takes some times as much. One account's half takes the largest body there is,
  /// coded and decoded.
  static func roomMax(memory: Int) -> Int { max(80 << 20, min(1 << 30, memory / 8)) }

  /// Takes room for a body of so many bytes; false when there is none. `give` gives it back.
  func take(_ size: Int, _ account: Int) -> Bool { room.take(size, account) }

  func give(_ size: Int, _ account: Int) { room.give(size, account) }

  /// What is answered where there is no room.
  func refusal() -> HTTPResponse {
    dialect.error(
      Problem(.unavailable, "Too many large bodies are being read; try again in a second."),
      headers: [("Retry-After", "1")])
  }

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
    guard take(held, account) else {
      exchange.respond(refusal())
      return
    }
    defer { give(held, account) }
    var plain = request
    do throws(Problem) {
      plain.body = try coding.decoded(request.body, sizeMax: sizeMax)
    } catch {
      exchange.respond(refusal(error))
      return
    }
    give(held - plain.body.count, account)
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

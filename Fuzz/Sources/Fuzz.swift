import DocumentKit
import Foundation
import RolloutCore
import RolloutStore

@testable import HTTPKit
@testable import RolloutGateway

/// What is fuzzed, by `FUZZ_TARGET`. Each must end every input with a value or an error of its own;
/// a trap, a read beyond its bytes or a broken promise is a crash.
private let target: @Sendable ([UInt8]) -> Void = {
  switch ProcessInfo.processInfo.environment["FUZZ_TARGET"] {
  case "head": fuzzHead
  case "chunked": fuzzChunked
  case "json": fuzzJSON
  case "plan": fuzzPlan
  case "token": fuzzToken
  case "object": fuzzObject
  case "events": fuzzEvents
  case "answer": fuzzAnswer
  case let other: preconditionFailure("FUZZ_TARGET is \(other ?? "not set")")
  }
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  target(Array(UnsafeBufferPointer(start: data, count: size)))
  return 0
}

/// A head is accepted or refused once: appending bytes never changes an accepted head, and its
/// ranges lie inside it.
private func fuzzHead(_ bytes: [UInt8]) {
  bytes.withUnsafeBufferPointer { buffer in
    let view = ByteView(buffer)
    guard let head = try? RequestParser.parse(view, HTTPLimits()) else { return }
    precondition(head.length <= bytes.count)
    for range in [head.path, head.query, head.fields] {
      precondition(range.upperBound <= head.length)
    }
    let request = RequestView(head, in: view, body: .empty)
    _ = request.headerLines.all
    _ = request.field("content-type")
    let alone = try? RequestParser.parse(view[0..<head.length], HTTPLimits())
    precondition(alone?.length == head.length && alone?.framing == head.framing)
  }
}

/// Wherever the bytes are cut, the decoder says the same.
private func fuzzChunked(_ bytes: [UInt8]) {
  func decode(_ pieces: [ArraySlice<UInt8>]) -> (body: [UInt8], used: Int, failed: Bool, done: Bool)
  {
    var decoder = ChunkedDecoder(bodyMax: 1 << 16, overheadMax: 4096)
    var used = 0
    for piece in pieces {
      let count = Array(piece).withUnsafeBufferPointer { try? decoder.consume(ByteView($0)) }
      guard let count else { return (decoder.body, used, true, false) }
      used += count
    }
    return (decoder.body, used, false, decoder.isDone)
  }
  let cut = bytes.isEmpty ? 0 : Int(bytes[0]) % (bytes.count + 1)
  let whole = decode([bytes[...]])
  let split = decode([bytes[..<cut], bytes[cut...]])
  precondition(whole.failed == split.failed && whole.done == split.done)
  if !whole.failed { precondition(whole.body == split.body && whole.used == split.used) }
}

/// What is read is written and read back the same.
private func fuzzJSON(_ bytes: [UInt8]) {
  guard let document = try? JSONReader.read(bytes) else { return }
  let written = document.json
  guard let again = try? JSONReader.read(written) else { preconditionFailure("not read back") }
  precondition(again == document)
}

/// A plan that is accepted survives its canonical form.
private func fuzzPlan(_ bytes: [UInt8]) {
  guard let document = try? YAMLReader.read(bytes), let plan = try? PlanDefinition(document) else {
    return
  }
  guard let again = try? PlanDefinition(plan.document) else { preconditionFailure("not canonical") }
  precondition(again == plan)
  let compiled = CompiledPlan(Plan(plan, at: Moment(Instant(milliseconds: 0)))) { _ in ByteSet() }
  _ = try? compiled.decide(user: nil)
}

/// Only what we made is a token.
private func fuzzToken(_ bytes: [UInt8]) {
  if let token = AccessToken(bytes) { precondition(Array(token.text.utf8) == bytes) }
}

/// What the reader takes as an object is one here too, and passing it on changes nothing; only a key
/// that stands twice inside is found later.
private func fuzzObject(_ bytes: [UInt8]) {
  let document = try? JSONReader.read(bytes)
  guard let object = try? RawObject(bytes) else {
    precondition(document?.members == nil, "refused what can be read")
    return
  }
  for key in ["model", "messages", "stream", "max_tokens", "usage"] { _ = object[key] }
  _ = object.hasElements("messages")
  guard let document else { return }
  let passed = object.replacing([])
  guard let again = try? JSONReader.read(passed) else { preconditionFailure("not read back") }
  precondition(again == document)
}

/// Wherever a provider's stream is cut, its events are the same.
private func fuzzEvents(_ bytes: [UInt8]) {
  func events(_ pieces: [ArraySlice<UInt8>]) -> [[UInt8]] {
    var parser = EventStreamParser()
    return pieces.flatMap { (try? parser.consume(Array($0))) ?? [] }
  }
  let cut = bytes.isEmpty ? 0 : Int(bytes[0]) % (bytes.count + 1)
  let whole = events([bytes[...]])
  precondition(whole == events([bytes[..<cut], bytes[cut...]]))
  for dialect in [ChatDialect.openai, .anthropic] { readAll(whole, dialect) }
}

private func readAll(_ events: [[UInt8]], _ dialect: ChatDialect) {
  var chunks = ChunkReader()
  var messages = MessageReader()
  var toOpenAI = OpenAIChunks(created: 0)
  var toAnthropic = AnthropicEvents()
  for event in events {
    switch dialect {
    case .openai:
      if let chunk = try? chunks.take(event) { _ = toAnthropic.events(for: chunk) }
    case .anthropic:
      if let message = try? messages.take(event) { _ = toOpenAI.chunks(for: message) }
    }
  }
  _ = toAnthropic.end()
}

/// Fields of a provider's answer, and what they say of its limits.
private func fuzzAnswer(_ bytes: [UInt8]) {
  let fields = bytes.withUnsafeBufferPointer { HeaderLines(ByteView($0)) }
  let head = HTTPAnswerHead(status: 429, headers: fields)
  _ = fields.all
  if let seconds = head.retryAfter(wall: 1_800_000_000_000) { precondition(seconds >= 0) }
  var quota = ProviderQuota(requests: RateLimit("10/s"), tokens: RateLimit("100/min"))
  quota.learn(head, now: 5000, wall: 1_800_000_000_000)
  quota.take(50, now: 5000)
  if let shut = quota.shut(50, now: 5000) { precondition(shut.wait > 0) }
}

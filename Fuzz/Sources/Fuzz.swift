import DigestKit
import DocumentKit
import Foundation
import PlatformKit
import RolloutCore
import RolloutEvaluation
import YAMLKit

@testable import HTTPKit
@testable import HTTPServerKit
@testable import RolloutGateway
@testable import RolloutStore

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
  case "usage": fuzzUsage
  case "chat": fuzzChat
  case "guard": fuzzGuard
  case "alert": fuzzAlert
  case "state": fuzzState
  case "outcomes": fuzzOutcomes
  case "series": fuzzSeries
  case "stored-plan": fuzzStoredPlan
  case "stored-token": fuzzStoredToken
  case "stored-members": fuzzStoredMembers
  case "stored-job": fuzzStoredJob
  case "stored-file": fuzzStoredFile
  case "redact": fuzzRedact
  case "pattern": fuzzPattern
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
    let request = RequestView(head, in: view, body: .empty, from: .unknown)
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
  _ = try? compiled.evaluator.decide(user: nil)
}

/// Only what we made is a token.
private func fuzzToken(_ bytes: [UInt8]) {
  if let token = AccessToken(bytes) { precondition(Array(token.text.utf8) == bytes) }
}

/// What the reader takes as an object is one here too, and passing it on changes nothing; only a key
/// that stands twice inside is found later.
private func fuzzObject(_ bytes: [UInt8]) {
  let document = try? JSONReader.read(bytes)
  if let value = RawValue(bytes) {
    precondition(value.json == bytes)
    precondition(value.document == document)
    for name: StaticString in ["usage", "choices"] {
      if let document { precondition(value[name]?.document == document[name.description]) }
      _ = value[name]?.string
      _ = value[name]?.elements.map(\.isFilledText)
    }
    let cut = RawValue(value.removing("usage"))
    precondition(cut != nil && cut?["usage"] == nil, "cut to pieces")
  }
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
  var tally = StreamTally(dialect, textSizeMax: 1 << 10)
  for event in events {
    let taken =
      switch dialect {
      case .openai: try? chunks.take(event)
      case .anthropic: try? messages.take(event)
      }
    guard let taken else { continue }
    precondition(taken.json == event, "not passed on as it came")
    tally.note(taken)
    guard let document = taken.document else { continue }
    switch dialect {
    case .openai: _ = toAnthropic.events(for: document)
    case .anthropic: _ = toOpenAI.chunks(for: document)
    }
  }
  precondition(tally.text?.utf8.count ?? 0 <= 1 << 10)
  _ = toAnthropic.end()
}

/// Fields of a provider's answer, and what they say of its limits.
private func fuzzAnswer(_ bytes: [UInt8]) {
  let fields = bytes.withUnsafeBufferPointer { HeaderLines(ByteView($0)) }
  let head = HTTPAnswerHead(status: 429, headers: fields)
  _ = fields.all
  if let seconds = head.retryAfter(wall: 1_800_000_000_000) { precondition(seconds >= 0) }
  var quota = ProviderQuota(requests: RateLimit("10/s"), tokens: RateLimit("100/min"))
  let now = MonotonicInstant(milliseconds: 5000)
  quota.learn(head, now: now, wall: 1_800_000_000_000)
  quota.take(50, now: now)
  if let shut = quota.shut(50, now: now) { precondition(shut.wait > 0) }
}

/// What a provider says it used, in either dialect and translated: never negative, never too much to
/// be added.
private func fuzzUsage(_ bytes: [UInt8]) {
  guard let usage = try? JSONReader.read(bytes) else { return }
  for dialect in [ChatDialect.openai, .anthropic] {
    guard let used = Usage(usage, dialect) else { continue }
    precondition((0...10_000_000).contains(used.inputTokens))
    precondition((0...10_000_000).contains(used.outputTokens))
    _ = Money.of(tokens: used.inputTokens, perMillion: Money(nanodollars: 1 << 60))
  }
  let answer = Document.object(["usage": usage, "choices": usage, "content": usage])
  _ = AnswerTranslation.anthropic(from: answer)
  _ = AnswerTranslation.openAI(from: answer, created: 0)
}

/// A request that is accepted has a bound that is positive, and goes out no larger than it.
private func fuzzChat(_ bytes: [UInt8]) {
  guard let raw = try? RawObject(bytes) else { return }
  for dialect in [ChatDialect.openai, .anthropic] {
    guard var request = try? ChatRequest(raw, dialect: dialect) else { continue }
    request.boundOutput()
    let bound = request.outputBound([])
    precondition(bound > 0)
    _ = request.inputBound(imageTokens: 765)
    for other in [ChatDialect.openai, .anthropic] {
      guard let sent = try? request.body(in: other, request.settings([], in: other)),
        let body = try? JSONReader.read(sent.json)
      else { continue }
      for key in OutputBound.boundKeys {
        guard let value = body[key], !value.isNull else { continue }
        precondition((value.int ?? .max) <= bound, "more is sent than held")
      }
    }
  }
}

/// A guard that is accepted can be measured, judged and told, whatever comes in.
private func fuzzGuard(_ bytes: [UInt8]) {
  guard let document = try? JSONReader.read(bytes), let rule = try? Guard((document, "")) else {
    return
  }
  var definition = PlanDefinition(feature: "a")
  definition.guards = [rule]
  var plan = Plan(definition, at: Moment(Instant(milliseconds: 0)))
  plan.status = .active
  plan.stageEnteredAt = Moment(Instant(milliseconds: 0))
  var health = FeatureHealth(plan)
  for number in 0..<120 {
    _ = health.record(
      Outcome(
        result: number % 2 == 0 ? .ok : .failed, arm: number % 3 == 0 ? .control : .treatment,
        user: UInt64(number), at: Instant(milliseconds: Int64(number)), latency: 1e9,
        inputTokens: Int.max, outputTokens: Int.max, cost: Money(nanodollars: Int.max)))
  }
  _ = health.assessment(now: Instant(milliseconds: 600_000))
}

/// The numbers and texts of an alert's head: a timestamp that is near or not, a signature that is
/// base64 or not.
private func fuzzAlert(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  if let decoded = Digest.base64Decoded(text) {
    precondition(decoded.count <= bytes.count)
    if bytes.count % 4 == 0 { _ = Digest.base64(decoded) }
  }
  if let instant = Instant(rfc3339: text) { _ = instant.rfc3339 }
  if let span = TimeSpan(text) { precondition(TimeSpan(span.text) == span) }
  if let money = Money(text) { precondition(Money(money.text) == money) }
}

/// What guards had measured, read back from anything.
private func fuzzState(_ bytes: [UInt8]) {
  var plan = Plan(PlanDefinition(feature: "a"), at: Moment(Instant(milliseconds: 0)))
  plan.status = .active
  plan.stageEnteredAt = Moment(Instant(milliseconds: 0))
  var health = FeatureHealth(plan)
  health.restore(bytes)
  _ = health.record(
    Outcome(
      result: .failed, arm: .treatment, user: 1, at: Instant(milliseconds: 1), latency: 1e9,
      inputTokens: Int.max, outputTokens: Int.max, cost: Money(nanodollars: Int.max)))
  _ = health.assessment(now: Instant(milliseconds: 600_000))
  guard let state = health.state else { return }
  var again = FeatureHealth(plan)
  again.restore(state)
  precondition(again.state == state, "not read back")
}

/// What a cell of the series may hold on disk: it is read or not, and adds up to itself and others.
private func fuzzSeries(_ bytes: [UInt8]) {
  guard var cell = SeriesCell(bytes) else { return }
  precondition(SeriesCell(cell.bytes) == cell, "what was read is not read again")
  cell.merge(cell)
  _ = (cell.requests, cell.users.estimate, cell.latencies.quantile(0.99))
}

private func fuzzOutcomes(_ bytes: [UInt8]) {
  var meter = UsageMeter()
  for outcome in PackedOutcomes.unpack(bytes) {
    meter.record(outcome)
    _ = outcome.at.rfc3339
  }
  _ = meter.rate(since: Instant(milliseconds: 0), now: Instant(milliseconds: 3_600_000))
}

/// A plan as it is stored: what is read is written and read back the same.
private func fuzzStoredPlan(_ bytes: [UInt8]) {
  guard let document = try? JSONReader.read(bytes), let plan = try? Plan(document) else { return }
  guard let again = try? Plan(plan.document) else { preconditionFailure("not read back") }
  precondition(again == plan)
  _ = plan.timePaused(Instant(milliseconds: Int64.max))
  _ = plan.cooldownEnds
}

/// A token's row, its first line the scopes and the rest the limit: whatever stands there gives no
/// more than it says, and what is read is written and read back the same.
private func fuzzStoredToken(_ bytes: [UInt8]) {
  let parts = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
    .map { String(decoding: $0, as: UTF8.self) }
  let rights = StoredRights(scopes: parts[0], features: parts.count > 1 ? parts[1] : nil)
  precondition(rights.scopes.allSatisfy { parts[0].contains($0.rawValue) })
  precondition((rights.features == nil) == (parts.count == 1))
  let again = StoredRights(scopes: rights.scopesText, features: rights.featuresText)
  precondition(again == rights, "not read back")
}

/// Members of a cohort, one a line, who come and, those of every other line, go: as a set of texts
/// has it, and as JSON hands them to the store.
private func fuzzStoredMembers(_ bytes: [UInt8]) {
  let lines = bytes.split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
  var members = ByteSet()
  var model: Set<[UInt8]> = []
  for line in lines {
    members.insert(line)
    model.insert(Array(line.utf8))
  }
  for line in lines.enumerated().filter({ $0.offset % 2 == 1 }).map(\.element) {
    members.remove(line)
    model.remove(Array(line.utf8))
  }
  precondition(members.count == model.count)
  precondition(model.allSatisfy { members.contains($0.span) })
  precondition(ByteSet(lines).mark == ByteSet(lines.reversed()).mark)
  let list = Document.array(lines.map { .string($0) })
  guard let read = try? JSONReader.read(list.json) else { preconditionFailure("not read back") }
  precondition(read == list)
}

/// A job's request as it is stored: what is read is written and read back the same, and can be made
/// into a request or refused.
private func fuzzStoredJob(_ bytes: [UInt8]) {
  guard let request = StoredRequest(stored: bytes) else { return }
  precondition(StoredRequest(stored: request.stored) == request, "not read back")
  if let attributes = request.attributes { _ = try? JSONReader.read(Array(attributes.utf8)) }
  guard var chat = try? ChatRequest(RawObject(request.body.json), dialect: .openai) else { return }
  chat.boundOutput()
  precondition(chat.outputBound([]) > 0)
}

/// A database file and its log, cut where the first two bytes say: nobody's bytes end the process,
/// and SQLite takes or refuses what they make.
private func fuzzStoredFile(_ bytes: [UInt8]) {
  guard bytes.count > 2 else { return }
  let rest = bytes[2...]
  let cut = (Int(bytes[0]) << 8 | Int(bytes[1])) % (rest.count + 1)
  let parts = (Array(rest.prefix(cut)), Array(rest.dropFirst(cut)))
  guard let image = try? FileImage(file: parts.0, log: parts.1) else { return }
  guard let connection = try? Connection(image) else { return }
  _ = try? connection.query("SELECT count(*) FROM sqlite_schema") { $0.int(0) }
  connection.close()
}

/// Linear, and what was taken out stays out.
private func fuzzRedact(_ bytes: [UInt8]) {
  guard let redactor = try? Redactor() else { return }
  let text = String(decoding: bytes, as: UTF8.self)
  precondition(redactor.steps(text) <= (text.utf8.count + 64) * 400, "more than linear")
  _ = redactor.redacted(text)
  _ = redactor.redacted(json: bytes)
}

/// The first line is a pattern, the rest a text.
private func fuzzPattern(_ bytes: [UInt8]) {
  let parts = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
  guard parts.count == 2, let redactor = try? Redactor([String(decoding: parts[0], as: UTF8.self)])
  else { return }
  let text = String(decoding: parts[1], as: UTF8.self)
  _ = redactor.redacted(text)
}

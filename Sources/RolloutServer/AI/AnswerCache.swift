import DigestKit
import DocumentKit
import RolloutCore
import RolloutGateway
import RolloutStore
import Synchronization

/// An answer that was given before. Its times are places on the steady timeline.
struct CachedAnswer: Sendable, Equatable {
  var text: String
  var model: String
  var provider: String
  var storedAt: Instant
  var freshUntil: Instant
  /// Until when it may stand in for providers that fail.
  var staleUntil: Instant

  /// Bytes it takes, about.
  var size: Int { text.utf8.count + model.utf8.count + provider.utf8.count + 200 }
}

/// Answers by the whole of the request: exact, bounded, kept over a restart.
final class AnswerCache: Sendable {
  /// SHA-256 of everything that the answer depends on.
  typealias Key = [UInt8]

  /// Bytes in memory and on disk.
  static let sizeMax = 64 << 20
  /// Bytes of one answer; a longer one is not kept.
  static let answerSizeMax = sizeMax / 16
  /// Bytes that wait for the disk; beyond that the oldest of them are kept in memory only.
  static let unsavedMax = 8 << 20
  /// Bytes that are written at once.
  private static let batchSize = 1 << 20

  fileprivate struct Held {
    var answer: CachedAnswer
    var usedAt: Int
  }

  fileprivate struct State {
    var answers: [Key: Held] = [:]
    var size = 0
    var uses = 0
    /// Those who wait for somebody who asks the same, by key and by their number.
    var flights: [Key: [Int: CheckedContinuation<CachedAnswer?, Never>]] = [:]
    var nextWaiter = 0
    /// What waits for the disk, by its key, and in the order it came.
    var unsaved: [Key: KeptAnswer] = [:]
    var unsavedOrder: [Key] = []
    var unsavedSize = 0
    var dropped = 0
  }

  private let state = Mutex(State())

  /// Takes in what an earlier process kept. Throws `StoreError`.
  func restore(from store: any AnswerStore, now: Instant) async throws {
    for kept in try await store.loadAnswers(now: now, sizeMax: Self.sizeMax) {
      put(CachedAnswer(kept), at: kept.key)
    }
  }

  /// Where an answer is kept.
  struct Place: Sendable {
    let key: Key
    fileprivate let policy: GatewayConfiguration.CachePolicy

    /// What is kept there of an answer that is nothing but this text.
    func answer(_ text: String, by trail: Gateway.Trail, at now: Instant) -> CachedAnswer {
      let fresh = now + policy.ttl
      return CachedAnswer(
        text: text, model: trail.model, provider: trail.provider, storedAt: now,
        freshUntil: fresh, staleUntil: fresh + policy.staleIfError)
    }
  }

  /// The place of a call's answer; nil for what must not be cached: tools, several choices, and
  /// what the caller wants stored elsewhere.
  static func place(_ call: AICall, _ route: GatewayConfiguration.Route) -> Place? {
    guard let policy = route.cache else { return nil }
    guard let body = try? call.request.document() else { return nil }
    let isPlain =
      (body["tools"]?.array ?? []).isEmpty && (body["n"]?.int ?? 1) == 1
      && body["logprobs"]?.bool != true && body["store"]?.bool != true
    guard isPlain, policy.isPublic || call.user != nil else { return nil }
    var request = body
    // Who asks and how it is delivered is no part of the question.
    for name in ["stream", "stream_options", "user", "safety_identifier", "metadata", "model"] {
      request.remove(name)
    }
    let targets = route.targets.map { "\($0.provider)/\($0.model)" }
    let question = Document.object([
      "feature": .string(call.feature), "dialect": .string(call.request.dialect.rawValue),
      // One app's user is not another's, though both call them u1.
      "user": policy.isPublic ? nil : call.user.map { .string($0) },
      "app": policy.isPublic ? nil : .string(call.app),
      "targets": .array(targets.map { .string($0) }), "request": request.sorted,
    ])
    return Place(key: Digest.sha256(question.json), policy: policy)
  }

  /// A fresh answer, or one that may stand in for failing providers.
  func find(_ key: Key, now: Instant, stale: Bool = false) -> CachedAnswer? {
    state.withLock { state in
      guard let held = state.answers[key],
        now < (stale ? held.answer.staleUntil : held.answer.freshUntil)
      else { return nil }
      state.uses += 1
      state.answers[key]?.usedAt = state.uses
      return held.answer
    }
  }

  func keep(_ answer: CachedAnswer, at key: Key, feature: String) {
    put(answer, at: key)
    let kept = KeptAnswer(key: key, feature: feature, answer)
    // Nobody waits for the disk; a crash loses a cached answer and nothing else.
    state.withLock { $0.queue(kept) }
  }

  /// The next answers to be written, oldest first, up to a batch; empty when there are none.
  func takeUnsaved() -> [KeptAnswer] {
    state.withLock { state in
      var batch: [KeptAnswer] = []
      var size = 0
      var taken = 0
      for key in state.unsavedOrder {
        guard size < Self.batchSize else { break }
        taken += 1
        guard let answer = state.unsaved.removeValue(forKey: key) else { continue }
        size += answer.size
        batch.append(answer)
      }
      state.unsavedOrder.removeFirst(taken)
      state.unsavedSize -= size
      return batch
    }
  }

  /// Answers that wait for the disk in bytes, and how many were not written because too many did.
  var backlog: (bytes: Int, dropped: Int) { state.withLock { ($0.unsavedSize, $0.dropped) } }

  private func put(_ answer: CachedAnswer, at key: Key) {
    guard answer.size <= Self.answerSizeMax else { return }
    state.withLock { state in
      state.uses += 1
      if let old = state.answers.updateValue(Held(answer: answer, usedAt: state.uses), forKey: key)
      {
        state.size -= old.answer.size
      }
      state.size += answer.size
      guard state.size > Self.sizeMax else { return }
      // A tenth at once, the longest unused first: sorting seldom is cheaper than a list always.
      for (old, held) in state.answers.sorted(by: { $0.value.usedAt < $1.value.usedAt }) {
        guard state.size > Self.sizeMax / 10 * 9 else { break }
        state.answers[old] = nil
        state.size -= held.answer.size
      }
    }
  }

  // MARK: Single flight

  /// True for who must ask the provider; it has to call `land`. Others wait for it: nil when it got
  /// nothing to share, or when the waiting task was cancelled.
  func board(_ key: Key) async -> (leads: Bool, answer: CachedAnswer?) {
    let number: Int? = state.withLock { state in
      guard state.flights[key] != nil else {
        state.flights[key] = [:]
        return nil
      }
      state.nextWaiter += 1
      return state.nextWaiter
    }
    guard let number else { return (true, nil) }
    let answer = await withTaskCancellationHandler {
      await withCheckedContinuation { (waiter: CheckedContinuation<CachedAnswer?, Never>) in
        let waits = state.withLock { state in
          guard state.flights[key] != nil, !Task.isCancelled else { return false }
          state.flights[key]?[number] = waiter
          return true
        }
        if !waits { waiter.resume(returning: nil) }
      }
    } onCancel: {
      state.withLock { $0.flights[key]?.removeValue(forKey: number) }?.resume(returning: nil)
    }
    return (false, answer)
  }

  func land(_ key: Key, _ answer: CachedAnswer?) {
    let waiters = state.withLock { $0.flights.removeValue(forKey: key) }
    for waiter in (waiters ?? [:]).values { waiter.resume(returning: answer) }
  }
}

extension AnswerCache.State {
  /// Bounded: the oldest give way, for they have been useful longest already.
  mutating func queue(_ answer: KeptAnswer) {
    if let old = unsaved.updateValue(answer, forKey: answer.key) {
      unsavedSize -= old.size
    } else {
      unsavedOrder.append(answer.key)
    }
    unsavedSize += answer.size
    var gone = 0
    while unsavedSize > AnswerCache.unsavedMax, gone < unsavedOrder.count {
      if let old = unsaved.removeValue(forKey: unsavedOrder[gone]) {
        unsavedSize -= old.size
        dropped += 1
      }
      gone += 1
    }
    if gone > 0 { unsavedOrder.removeFirst(gone) }
  }
}

extension CachedAnswer {
  fileprivate init(_ kept: KeptAnswer) {
    self.init(
      text: kept.text, model: kept.model, provider: kept.provider, storedAt: kept.storedAt,
      freshUntil: kept.freshUntil, staleUntil: kept.staleUntil)
  }
}

extension KeptAnswer {
  /// Bytes it takes, about.
  fileprivate var size: Int { text.utf8.count + 200 }

  fileprivate init(key: [UInt8], feature: String, _ answer: CachedAnswer) {
    self.init(
      key: key, feature: feature, text: answer.text, model: answer.model,
      provider: answer.provider, storedAt: answer.storedAt, freshUntil: answer.freshUntil,
      staleUntil: answer.staleUntil)
  }
}

extension Document {
  /// With the members of every object in the order of their names: two writings of one request
  /// become one.
  var sorted: Document {
    switch value {
    case .object(let members):
      Document(
        .object(
          members.map { Member(key: $0.key, value: $0.value.sorted) }.sorted { $0.key < $1.key }))
    case .array(let elements): .array(elements.map(\.sorted))
    default: self
    }
  }
}

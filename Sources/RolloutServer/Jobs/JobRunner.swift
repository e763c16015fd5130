import PlatformKit
import RolloutCore
import RolloutGateway
import Synchronization

/// How processing a job ended.
enum JobExecution: Sendable {
  case done(Job.Status, [UInt8])
  /// There is no room now: nothing was tried, and it is worth trying again in so many seconds.
  case later(seconds: Double)
}

/// Works through the jobs: users take turns, so many are processed at once, each under a lease that
/// is renewed until it is done.
final class JobRunner: Sendable {
  /// A worker that has not been heard of for so long has lost its job.
  static let lease = TimeSpan.seconds(60)
  /// Times a job is begun: a crash puts it back once.
  static let attemptsMax = 2
  private static let heartbeat = TimeSpan.seconds(15)
  private static let sweepInterval = TimeSpan.seconds(1)
  /// Tries to write a result down, a second apart, before the lease is left to run out.
  private static let writesMax = 5

  /// Whose turn a job is, and what it takes.
  private struct Lane {
    var app: String
    var user: String
    var size: Int

    init(_ job: Job) {
      app = job.app
      user = job.user ?? ""
      size = job.size
    }
  }

  private struct State {
    var queue = FairQueue<String>()
    /// Each job in memory: in the queue, waiting to go back into it, or running.
    var lanes: [String: Lane] = [:]
    var room: JobRoom
    var running: [String: Task<Void, Never>] = [:]
    /// Running, and free in the store meanwhile: their turn here may have come to nothing.
    var freed: Set<String> = []
    var isStopping = false
  }

  private let store: any JobStore
  private let current: Current<ServerConfiguration>
  private let clock: any ServerClock
  private let starter: TaskStarter
  private let log: Log
  private let execute: @Sendable (Job) async -> JobExecution
  private let state: Mutex<State>

  init(
    store: any JobStore, settings: Current<ServerConfiguration>, clock: any ServerClock, log: Log,
    starter: TaskStarter = .system,
    execute: @escaping @Sendable (Job) async -> JobExecution
  ) {
    self.store = store
    current = settings
    self.clock = clock
    self.starter = starter
    self.log = log
    self.execute = execute
    state = Mutex(State(room: JobRoom(length: settings.value.gateway.jobs.length)))
  }

  private var settings: GatewayConfiguration.Jobs { current.value.gateway.jobs }

  /// There may be room for more at once.
  func settingsChanged() { startNext() }

  // MARK: The queue

  /// Keeps room for a job that is to be accepted; `accept` uses it, or `giveBack` ends that. Throws
  /// when there is none.
  func keepRoom(for job: Job) throws(JobRoom.Refusal) {
    let length = settings.length
    let result = state.withLock { state -> Result<Void, JobRoom.Refusal> in
      state.room.length = length
      do throws(JobRoom.Refusal) {
        try state.room.take(job.app, size: job.size)
        return .success(())
      } catch { return .failure(error) }
    }
    try result.get()
  }

  func giveBackRoom(of job: Job) {
    state.withLock { $0.room.giveBack(job.app, size: job.size) }
  }

  /// Takes in a job that the store has; `hasRoom` says whether room was kept for it.
  func enqueue(_ job: Job, hasRoom: Bool = false) {
    let lane = Lane(job)
    state.withLock { state in
      // Known already, of a restart or of a lease that ran out.
      guard state.lanes[job.id] == nil else {
        if hasRoom { state.room.giveBack(job.app, size: job.size) }
        if state.running[job.id] != nil { state.freed.insert(job.id) }
        return
      }
      if !hasRoom { state.room.add(job.app, size: job.size) }
      state.lanes[job.id] = lane
      state.queue.append(job.id, app: lane.app, user: lane.user)
    }
    startNext()
  }

  /// How many are begun until this one is, with it; nil when it is not waiting.
  func position(of id: String) -> Int? {
    state.withLock { state in
      guard let lane = state.lanes[id], state.running[id] == nil else { return nil }
      return state.queue.position(of: id, app: lane.app, user: lane.user)
        ?? state.queue.count + 1
    }
  }

  /// Ends a job wherever it is; nil when there is none. A final one stays as it is.
  func cancel(_ id: String) async throws -> Job? {
    let job = try await store.finish(id, .cancelled, result: nil, at: clock.steady)
    let task = state.withLock { state -> Task<Void, Never>? in
      if let task = state.running[id] { return task }
      if let lane = state.lanes.removeValue(forKey: id) {
        state.queue.remove(id, app: lane.app, user: lane.user)
        state.room.giveBack(lane.app, size: lane.size)
      }
      return nil
    }
    task?.cancel()
    return job
  }

  // MARK: Running

  /// Goes on with what an earlier process left, then looks after leases until the task is
  /// cancelled. Where the jobs cannot be written, it is tried again until they can.
  func run() async {
    var isBegun = false
    var hasFailed = false
    while !Task.isCancelled {
      do {
        if !isBegun { try await store.endLeases() }
        try await sweep()
        if !isBegun { for job in try await store.queued() { enqueue(job) } }
        isBegun = true
        hasFailed = false
      } catch {
        // Once: it may be like this for long, and `/readyz` goes on saying it.
        if !hasFailed { log.error("the jobs could not be swept", ["error": "\(error)"]) }
        hasFailed = true
      }
      try? await clock.sleep(Self.sweepInterval)
    }
  }

  /// Lets go of everything: what was being processed is put back.
  func stop() async {
    let tasks = state.withLock { state in
      state.isStopping = true
      return state.running.sorted { $0.key < $1.key }.map(\.value)
    }
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
  }

  private func sweep() async throws {
    let again = try await store.sweep(
      at: clock.steady, attemptsMax: Self.attemptsMax, keepFor: settings.keepFor)
    for job in again { enqueue(job) }
  }

  private func startNext() {
    state.withLock { state in
      while !state.isStopping, state.running.count < settings.concurrency,
        let id = state.queue.popFirst()
      {
        state.room.start()
        state.running[id] = starter.start { [self] in
          let pause = await process(id)
          leave(id, comesBack: pause != nil)
          guard let pause else { return }
          try? await clock.sleep(milliseconds: Int(pause * 1000))
          comeBack(id)
        }
      }
    }
  }

  private func leave(_ id: String, comesBack: Bool) {
    state.withLock { state in
      state.running[id] = nil
      state.room.end()
      let isFreed = state.freed.remove(id) != nil
      guard !comesBack, let lane = state.lanes[id] else { return }
      // Nobody would tell of it again.
      guard !isFreed else { return state.queue.append(id, app: lane.app, user: lane.user) }
      state.lanes[id] = nil
      state.room.giveBack(lane.app, size: lane.size)
    }
    startNext()
  }

  private func comeBack(_ id: String) {
    state.withLock { state in
      guard let lane = state.lanes[id], state.running[id] == nil else { return }
      state.queue.append(id, app: lane.app, user: lane.user)
    }
    startNext()
  }

  /// Seconds after which the job is to be tried again; nil when it is done with here.
  private func process(_ id: String) async -> Double? {
    let job: Job?
    do {
      job = try await store.claim(id, at: clock.steady, leaseUntil: clock.steady + Self.lease)
    } catch {
      log.error("a job could not be claimed", ["job": id, "error": "\(error)"])
      return 1
    }
    // Cancelled or expired meanwhile.
    guard let job else { return nil }
    let execution = await underLease(job)
    switch execution {
    case .done(let status, _) where Task.isCancelled && status != .succeeded:
      // The server stops. Of a job that was cancelled this changes nothing: it is final.
      try? await store.release(id)
      return nil
    case .done(let status, let result):
      await finish(id, status, result)
      return nil
    case .later(let seconds):
      try? await store.release(id)
      return max(0.1, seconds)
    }
  }

  private func underLease(_ job: Job) async -> JobExecution {
    await withTaskGroup(of: JobExecution?.self) { group in
      group.addTask { [execute] in await execute(job) }
      group.addTask { [self] in
        await renew(job)
        return nil
      }
      defer { group.cancelAll() }
      // The renewal ends only when it is cancelled.
      while let ended = await group.next() { if let ended { return ended } }
      return .later(seconds: 0)
    }
  }

  /// Until the task is cancelled.
  private func renew(_ job: Job) async {
    while (try? await clock.sleep(Self.heartbeat)) != nil {
      try? await store.renew(job.id, leaseUntil: clock.steady + Self.lease)
    }
  }

  private func finish(_ id: String, _ status: Job.Status, _ result: [UInt8]) async {
    for attempt in 1...Self.writesMax {
      do {
        _ = try await store.finish(id, status, result: result, at: clock.steady)
        return
      } catch {
        log.error("a job's result could not be written", ["job": id, "error": "\(error)"])
        if attempt < Self.writesMax { try? await clock.sleep(.seconds(1)) }
      }
    }
  }
}

import Glibc
import RolloutCore
import Synchronization

/// Stops the threads of several databases at one moment, and has each copy its file then: no one
/// knows more of another than is in that.
final class BackupRound: Sendable {
  private struct State {
    /// Databases that were asked to stop, that have, and that have gone on.
    var (asked, stopped, ended) = (0, 0, 0)
    var failure: (any Error)?
  }

  /// How long one waits for the others, in milliseconds.
  private static let patience = 1000

  private let databases: [Database]
  private let folder: String
  private let done: @Sendable (Result<Void, any Error>) -> Void
  private let state = Mutex(State())

  /// `done` hears once, when all have gone on.
  init(
    _ databases: [Database], into folder: String,
    done: @escaping @Sendable (Result<Void, any Error>) -> Void
  ) {
    self.databases = databases
    self.folder = folder
    self.done = done
  }

  func begin() { stop(0) }

  /// Each asks the next one once it has stopped itself, so that the last ones wait least.
  private func stop(_ index: Int) {
    state.withLock { $0.asked += 1 }
    let database = databases[index]
    database.read { [self] connection in
      state.withLock { $0.stopped += 1 }
      if index + 1 < databases.count { stop(index + 1) }
      do {
        try waitForAll()
        try connection.copy(to: "\(folder)/\(database.name)")
        end(nil)
      } catch { end((error as? SQLiteError)?.storeError ?? error) }
    } failed: { [self] in
      end($0)
    }
  }

  private func waitForAll() throws {
    for _ in 0..<Self.patience {
      let (isAll, failure) = state.withLock { ($0.stopped == databases.count, $0.failure) }
      if let failure { throw failure }
      if isAll { return }
      usleep(1000)
    }
    throw StoreError.unavailable("the databases cannot be stopped at one moment")
  }

  private func end(_ failure: (any Error)?) {
    let isLast = state.withLock { state in
      state.ended += 1
      state.failure = state.failure ?? failure
      return state.ended == state.asked
    }
    guard isLast else { return }
    done(state.withLock { $0.failure }.map { .failure($0) } ?? .success(()))
  }
}

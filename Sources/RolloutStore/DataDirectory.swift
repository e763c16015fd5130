import Glibc
import RolloutCore
import Synchronization

/// The server's data directory, held for one process by a lock file.
package final class DataDirectory: Sendable {
  package let path: String
  private let lock: Mutex<Int32>

  /// Creates the directory (mode 0700) where it is missing. Throws `StoreError.unavailable` when
  /// another server holds it: two writers on one WAL can corrupt it.
  package init(_ path: String) throws {
    self.path = path
    if mkdir(path, 0o700) != 0, errno != EEXIST {
      throw StoreError.unavailable("\(path): \(String(cString: strerror(errno)))")
    }
    let file = "\(path)/rollout.lock"
    let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StoreError.unavailable("\(file): \(String(cString: strerror(errno)))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw StoreError.unavailable(
        "another server holds \(path); stop it, or start this one with another --data")
    }
    lock = Mutex(descriptor)
  }

  deinit { release() }

  /// Lets another server have the directory; call it once the databases are closed.
  package func release() {
    lock.withLock { lock in
      if lock >= 0 { close(lock) }
      lock = -1
    }
  }

  package var databasePath: String { "\(path)/rollout.db" }

  /// Writes a file that only the owner can read, whole or not at all.
  package func writeSecret(_ text: String, to name: String) throws {
    let target = "\(path)/\(name)"
    let temporary = target + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StoreError.unavailable("\(temporary): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0,
      rename(temporary, target) == 0
    else { throw StoreError.unavailable("\(target): \(String(cString: strerror(errno)))") }
    // The name is durable once the folder is.
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }
}

import Glibc
import HTTPKit
import RolloutAPI

/// `rollout backup FILE`
enum BackupCommand {
  static let command = Subcommand(
    "backup", ["FILE"],
    "copy all databases into one file while the server runs",
    options: [.init("--reason", "TEXT", "why; it is recorded")],
    examples: [
      "rollout backup rollout-2026-11-27.tar",
      "rollout backup - | ssh vault 'cat > rollout.tar'",
    ], run: run)

  /// Bytes that end every archive.
  private static let endSize = 1024

  private static func run(_ session: Session) async throws {
    let name = session.operand(0)
    let file = try BackupFile(name)
    let stream = try await session.download(
      "POST", "/v1/backup" + APIPath.query(session.reason))
    var end: [UInt8] = []
    while let bytes = try await next(of: stream) {
      try file.write(bytes)
      end = Array((end + bytes.suffix(endSize)).suffix(endSize))
      if name != "-" { session.terminal.redraw("\(size(file.size)) …") }
    }
    session.terminal.redraw("")
    // Whatever stands between: only a whole one ends so.
    guard file.size > endSize, file.size % 512 == 0, end.allSatisfy({ $0 == 0 }) else {
      throw CLIFailure(.failed, "The copy broke off. Nothing was kept.")
    }
    try file.keep()
    guard name != "-" else { return }
    session.terminal.note("\(name): \(size(file.size)), as of now. Only you can read it.")
    session.terminal.note(
      "To put it back: mkdir data && tar -xf \(name) -C data, and start the server with --data data."
    )
  }

  private static func next(of stream: HTTPStream) async throws -> [UInt8]? {
    do { return try await stream.next() } catch {
      throw CLIFailure(.unreachable, "The copy broke off (\(error)). Nothing was kept.")
    }
  }

  private static func size(_ bytes: Int) -> String {
    let megabytes = Double(bytes) / 1_000_000
    return megabytes < 1 ? "\((bytes + 999) / 1000) kB" : "\(Figures.about(megabytes.rounded())) MB"
  }
}

/// A file that has its name once it is whole, and is gone before.
private final class BackupFile {
  private let name: String
  private let descriptor: Int32
  private var isKept = false
  private(set) var size = 0

  private var part: String { name + ".part" }

  /// Throws `CLIFailure`, also for a file that is there.
  init(_ name: String) throws {
    self.name = name
    guard name != "-" else {
      descriptor = STDOUT_FILENO
      guard isatty(STDOUT_FILENO) == 0 else {
        throw CLIFailure(.usage, "That is no text for a terminal; name a file, or use > FILE.")
      }
      return
    }
    guard access(name, F_OK) != 0 else {
      throw CLIFailure(.usage, "\(name) is there already; name another file.")
    }
    descriptor = open(name + ".part", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw CLIFailure(.failed, "\(name).part: \(String(cString: strerror(errno)))")
    }
  }

  deinit {
    guard name != "-" else { return }
    if descriptor >= 0 { close(descriptor) }
    if !isKept, descriptor >= 0 { unlink(part) }
  }

  func write(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw CLIFailure(.failed, "\(name): \(String(cString: strerror(errno))). Nothing was kept.")
      }
      rest = rest.dropFirst(count)
      size += count
    }
  }

  /// Gives it its name, once it is on the disk.
  func keep() throws {
    guard name != "-" else { return }
    guard fsync(descriptor) == 0, link(part, name) == 0 else {
      throw CLIFailure(.failed, "\(name): \(String(cString: strerror(errno))). Nothing was kept.")
    }
    isKept = true
    unlink(part)
  }
}

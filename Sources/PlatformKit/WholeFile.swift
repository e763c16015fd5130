import Glibc

/// Reads files whole.
package enum WholeFile {
  /// Why a file could not be read, with its name.
  package struct Unreadable: Error, CustomStringConvertible {
    package let description: String

    fileprivate init(_ path: String, _ why: String) { description = "\(path): \(why)" }
    fileprivate init(_ path: String) { self.init(path, String(cString: strerror(errno))) }
  }

  /// Up to `sizeMax` bytes; a larger file is refused. Of a pipe, which may have a writer that says
  /// nothing, what comes within so many seconds, if that is all.
  package static func read(
    _ path: String, sizeMax: Int, patience seconds: Int
  ) throws(Unreadable) -> [UInt8] {
    // Without blocking: opening a pipe that nobody writes to would take for ever.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Unreadable(path) }
    defer { close(descriptor) }
    let end = MachineClock.now.after(milliseconds: seconds * 1000)
    return try gather(descriptor, path, sizeMax) { () throws(Unreadable) in
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let left = end.milliseconds(since: MachineClock.now)
      guard left > 0, poll(&waiting, 1, Int32(left)) > 0 else {
        throw Unreadable(path, "its end did not come within \(seconds) s")
      }
    }
  }

  /// All there is until the end, however long that takes; `-` is standard input.
  package static func readPatiently(_ path: String) throws(Unreadable) -> [UInt8] {
    let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Unreadable(path) }
    defer { if path != "-" { close(descriptor) } }
    return try gather(descriptor, path, .max) { () throws(Unreadable) in throw Unreadable(path) }
  }

  /// `wait` is called where nothing is there yet.
  private static func gather(
    _ descriptor: Int32, _ path: String, _ sizeMax: Int, wait: () throws(Unreadable) -> Void
  ) throws(Unreadable) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN {
        try wait()
        continue
      }
      guard count >= 0 else { throw Unreadable(path) }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
      guard bytes.count <= sizeMax else {
        throw Unreadable(path, "larger than \(sizeMax >> 20) MiB")
      }
    }
  }
}

import Glibc
import HTTPKit

/// The configuration cannot be used; exit code 78.
struct ConfigurationError: Error, CustomStringConvertible {
  var description: String
}

/// The whole of a file, up to 1 MiB. Of a pipe, which may have a writer that says nothing, what
/// comes within five seconds, if that is all.
func readFile(_ path: String) throws -> [UInt8] {
  // Without blocking: opening a pipe that nobody writes to would take for ever.
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else {
    throw ConfigurationError(description: "\(path): \(String(cString: strerror(errno)))")
  }
  defer { close(descriptor) }
  let patience = monotonicMilliseconds() + 5000
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0, errno == EAGAIN {
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let left = patience - monotonicMilliseconds()
      guard left > 0, poll(&waiting, 1, Int32(left)) > 0 else {
        throw ConfigurationError(description: "\(path): its end did not come within 5 s")
      }
      continue
    }
    guard count >= 0 else {
      throw ConfigurationError(description: "\(path): \(String(cString: strerror(errno)))")
    }
    if count == 0 { return bytes }
    bytes += buffer[..<count]
    guard bytes.count <= 1 << 20 else {
      throw ConfigurationError(description: "\(path): larger than 1 MiB")
    }
  }
}

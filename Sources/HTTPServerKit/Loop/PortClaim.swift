import Glibc
import PlatformKit

/// Keeps servers that start at the same moment on the same port apart: a name in the kernel that
/// only one process has, gone with it. It is per network namespace, as ports are.
struct PortClaim {
  private static let attemptsMax = 200
  private static let pause: UInt32 = 10_000

  private let descriptor: Int32

  /// Waits for others who are starting, for two seconds at most: whoever keeps the name longer
  /// means something else by it, and the port itself will tell.
  init(_ port: Int) {
    descriptor = Sockets.open(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    guard descriptor >= 0, port != 0 else { return }
    // An abstract name: the family, a zero, and whatever follows.
    var family = sa_family_t(AF_UNIX)
    let address =
      withUnsafeBytes(of: &family) { Array($0) } + [0] + Array("rollout-listen-\(port)".utf8)
    for _ in 0..<Self.attemptsMax {
      let result = address.withUnsafeBytes { bytes in
        bytes.withMemoryRebound(to: sockaddr.self) {
          bind(descriptor, $0.baseAddress, socklen_t(bytes.count))
        }
      }
      guard result != 0, errno == EADDRINUSE else { return }
      usleep(Self.pause)
    }
  }

  func release() { if descriptor >= 0 { close(descriptor) } }
}

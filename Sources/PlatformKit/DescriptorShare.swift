import Glibc
import Synchronization

/// Shares the process's file descriptors out: between clients' connections, calls to other servers,
/// and the files that nothing works without.
///
/// Without it a crowd of idle clients would leave none for a call, or for a database's log.
package final class DescriptorShare: Sendable {
  /// Kept for files and the like; a quarter of a very small limit.
  private static let filesMax = 128
  /// Clients' connections, however many descriptors there are: each takes memory too.
  private static let inboundCap = 65_536

  /// The process's own limit, as it was when this was first asked for.
  package static let process = DescriptorShare(limit: processLimit())

  /// For both together.
  private let max: Int
  private let inboundMax: Int
  private let outboundCap: Int
  private let inbound = Atomic(0)
  private let outbound = Atomic(0)

  /// `limit` is the number of descriptors that the process may have open.
  package init(limit: Int) {
    max = limit - min(Self.filesMax, limit / 4)
    // Calls keep a quarter, whoever connects.
    inboundMax = min(max * 3 / 4, Self.inboundCap)
    // Every call has a client, and some clients wait for their call to begin.
    outboundCap = Swift.max(1, max * 12 / 25)
  }

  /// Takes one for a client's connection; false when there is none left for clients.
  package func takeInbound() -> Bool {
    let count = inbound.add(1, ordering: .relaxed).newValue
    guard count <= inboundMax, count + outbound.load(ordering: .relaxed) <= max else {
      giveInbound()
      return false
    }
    return true
  }

  package func giveInbound() { inbound.subtract(1, ordering: .relaxed) }

  /// Takes one for a call; false when there is none left.
  package func takeOutbound() -> Bool {
    let count = outbound.add(1, ordering: .relaxed).newValue
    guard count <= outboundCap, count + inbound.load(ordering: .relaxed) <= max else {
      giveOutbound()
      return false
    }
    return true
  }

  package func giveOutbound() { outbound.subtract(1, ordering: .relaxed) }

  /// Connections of calls that there may be now, with those there are.
  package var outboundMax: Int {
    Swift.max(1, min(outboundCap, max - inbound.load(ordering: .relaxed)))
  }
}

private func processLimit() -> Int {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
  // No kernel allows more, whatever "unlimited" says.
  return Int(min(limit.rlim_cur, 1 << 30))
}

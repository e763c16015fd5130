import DocumentKit
import Glibc
import HTTPKit
import HTTPServerKit

/// How much memory the process may take: the machine's, or less where a control group or `ulimit`
/// says so.
///
/// Source: cgroups(7), Documentation/admin-guide/cgroup-v2.rst (`memory.max`) and
/// cgroup-v1/memory.rst (`memory.limit_in_bytes`), getrlimit(2).
enum MemoryLimit {
  /// Bytes, as they are when this is first asked for.
  static let process = bytes()

  /// Addresses that a server has before it serves anybody, in bytes. Measured.
  private static let addressesTaken = 900 << 20
  /// What is bounded for the whole server: bodies under way, imports, kept answers, and itself.
  private static let sharedMin = 240 << 20
  /// What is bounded for each loop: what arrives there, and what nobody reads.
  private static let loopMin = 80 << 20

  /// As many loops as there is memory for, one for each processor at most.
  static func loops(processors: Int, memory: Int) -> Int {
    max(1, min(processors, (memory - sharedMin) / loopMin))
  }

  /// Why a server had better not begin with so many bytes, in words; nil when there are enough.
  static func shortage(_ memory: Int) -> String? {
    let needed = sharedMin + loopMin
    guard memory < needed else { return nil }
    return "\(memory >> 20) MiB of memory are left to the server by its control group (that of a "
      + "container, MemoryMax=), ulimit -v or the machine, and it needs \(needed >> 20) MiB: less would "
      + "end it in the middle of its work. Of ulimit -v, \(addressesTaken >> 20) MiB are taken by "
      + "addresses that hold nothing"
  }

  private static func bytes() -> Int {
    var least = sysconf(Int32(_SC_PHYS_PAGES)).multiplied(by: sysconf(Int32(_SC_PAGESIZE)))
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 {
      // Of addresses, many of which go to stacks, libraries and what malloc keeps for its threads.
      least = min(least, max(0, Int(clamping: limit.rlim_cur) - max(mapped, addressesTaken)))
    }
    for path in groupFiles(text("/proc/self/cgroup") ?? "") {
      if let value = text(path).flatMap({ Int($0.dropLast($0.hasSuffix("\n") ? 1 : 0)) }) {
        least = min(least, max(0, value))
      }
    }
    return least
  }

  /// Bytes of addresses in use.
  private static var mapped: Int {
    let pages = text("/proc/self/statm")?.split(separator: " ").first.flatMap { Int($0) }
    return (pages ?? 0).multiplied(by: sysconf(Int32(_SC_PAGESIZE)))
  }

  private static func text(_ path: String) -> String? {
    (try? readFile(path)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The files that may hold a limit, given what `/proc/self/cgroup` says: of each group from the
  /// process's own up to the top. Inside a container the own group may not be visible; then the top
  /// one is what limits.
  static func groupFiles(_ groups: String) -> [String] {
    groups.split(separator: "\n").flatMap { line -> [String] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let (base, file): (String, String)
      switch (parts[0], parts[1].split(separator: ",").contains("memory")) {
      case ("0", _): (base, file) = ("/sys/fs/cgroup", "memory.max")
      case (_, true): (base, file) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
      default: return []
      }
      var path: [Substring] = parts[2].split(separator: "/")
      var files: [String] = []
      while true {
        files.append(([base] + path.map(String.init) + [file]).joined(separator: "/"))
        guard path.popLast() != nil else { return files }
      }
    }
  }
}

extension HTTPLimits {
  /// For a process that may have `memory` bytes: what arrives and what nobody reads take an eighth
  /// each at most. A loop always has room for one of the largest bodies.
  init(memory: Int, loops: Int) {
    self.init()
    let share = max(40 << 20, memory / 8 / max(1, loops))
    bufferedMax = min(bufferedMax, share)
    unreadMax = min(unreadMax, share)
  }
}

import Glibc
import PlatformKit
import RolloutCore

/// What `rollout.lock` says: whose directory it is, and which commits of its files were
/// acknowledged. A few lines of a fixed length, so that newer ones cover older ones.
struct DirectoryMark: Sendable, Equatable {
  /// Of one file.
  struct Count: Sendable, Equatable {
    /// Commits that were acknowledged.
    var commits: Int
    /// Those of them that outlive a power loss.
    var durable: Int
  }

  var identity: String
  /// Whether a server has it open; false after a proper end.
  var isOpen: Bool
  /// Which start of the machine it was written in; nil where a version did that counted the main
  /// file only.
  var boot: String?
  /// Whether the mark before it was lost, and what that means for the money is not kept yet.
  var isRebuilt = false
  /// By the file's name; none for a file that has never been there.
  var counts: [String: Count]

  /// The files, in the order of their lines. The main file stands in the first.
  private static let names = [DataDirectory.mainFile] + DataDirectory.siblings
  private static let unknown = String(repeating: "-", count: 20)

  /// This start of the machine; "-" when the system does not say.
  static let thisBoot = machineBoot ?? "-"

  init(identity: String, counts: [String: Count]) {
    self.identity = identity
    self.counts = counts
    isOpen = true
    boot = Self.thisBoot
  }

  /// Whether a file can have so many commits; there is room to count on.
  static func isCount(_ number: Int) -> Bool { (0...Int.max >> 1).contains(number) }

  static func isIdentity(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) }
  }

  private static func padded(_ number: Int?) -> String {
    guard let digits = number.map(String.init) else { return unknown }
    return String(repeating: "0", count: max(0, 20 - digits.utf8.count)) + digits
  }

  var text: String {
    let main = Self.padded(counts[DataDirectory.mainFile]?.commits ?? 0)
    let boot = boot ?? "-"
    let room = String(repeating: " ", count: max(0, 36 - boot.utf8.count))
    var text = "rollout \(identity) \(main) \(isOpen ? "open  " : "closed")\nboot \(boot)\(room)\n"
    text += "rebuilt \(isRebuilt ? "yes" : "no ")\n"
    for name in DataDirectory.siblings {
      let count = counts[name]
      text += "\(name) \(Self.padded(count?.commits)) \(Self.padded(count?.durable))\n"
    }
    return text
  }

  /// nil for an empty file, and for one of another shape. Throws `StoreError` for one that cannot
  /// be read, which says nothing of what is in it.
  init?(readFrom descriptor: Int32) throws {
    var buffer = [UInt8](repeating: 0, count: 1024)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    guard count >= 0 else {
      throw StoreError.unavailable("it cannot be read: \(String(cString: strerror(errno)))")
    }
    guard count > 0 else { return nil }
    self.init(String(decoding: buffer[..<count], as: UTF8.self))
  }

  /// nil for a text of another shape.
  init?(_ text: String) {
    let lines =
      text.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace) }
    guard let words = lines.first, words.count == 4, words[0] == "rollout",
      let commits = Int(words[2]), Self.isCount(commits), Self.isIdentity(String(words[1])),
      words[3] == "open" || words[3] == "closed"
    else { return nil }
    identity = String(words[1])
    isOpen = words[3] == "open"
    counts = [DataDirectory.mainFile: Count(commits: commits, durable: commits)]
    for line in lines.dropFirst() {
      if line.count == 2, line[0] == "boot" { boot = String(line[1]) }
      if line.count == 2, line[0] == "rebuilt" { isRebuilt = line[1] == "yes" }
      guard line.count == 3, let commits = Int(line[1]), let durable = Int(line[2]),
        Self.names.contains(String(line[0])), Self.isCount(commits), Self.isCount(durable)
      else { continue }
      counts[String(line[0])] = Count(commits: commits, durable: durable)
    }
  }

  /// What a start has to find: where the machine has been started since, a power loss may have
  /// taken what was not durable.
  var afterStart: DirectoryMark {
    guard isOpen, boot != nil, boot != Self.thisBoot else { return self }
    var mark = self
    mark.counts = counts.mapValues { Count(commits: $0.durable, durable: $0.durable) }
    return mark
  }

  /// Takes in what another one of the same directory says: the larger counts.
  mutating func merge(_ other: DirectoryMark) {
    counts.merge(other.counts) { ours, theirs in
      Count(
        commits: max(ours.commits, theirs.commits), durable: max(ours.durable, theirs.durable))
    }
  }

  /// What it says of the others.
  func without(_ name: String) -> DirectoryMark {
    var mark = self
    mark.counts[name] = nil
    return mark
  }
}

import Glibc

/// The time zones of this machine, as its package `tzdata` has them: a compiled file for each.
package struct ZoneFolder: Sendable {
  /// The largest has about 4 KiB.
  private static let sizeMax = 1 << 20
  /// What they stand for is another on another machine.
  private static let machineNames: Set<String> = ["localtime", "posixrules", "Factory"]

  private let path: String

  /// `TZDIR` says where they are, as it does to every other program.
  package init() {
    let stated = getenv("TZDIR").map { String(cString: $0) } ?? ""
    path = stated.isEmpty ? "/usr/share/zoneinfo" : stated
  }

  /// Whether there are any: without, nothing can be said of a name.
  package var isThere: Bool { access(path, X_OK) == 0 }

  /// The file of a zone by its IANA name; nil where there is none. A name with dots leads out of
  /// the folder and is none.
  package func file(of name: String) -> [UInt8]? {
    guard !name.isEmpty, !name.hasPrefix("/"), !name.utf8.contains(UInt8(ascii: ".")),
      !name.utf8.contains(0), !Self.machineNames.contains(name)
    else { return nil }
    return try? WholeFile.read("\(path)/\(name)", sizeMax: Self.sizeMax, patience: 1)
  }
}

internal import CPlatform
import Glibc

/// What the program was started with.
///
/// `/proc/self/cmdline` says where one ends and the next begins, and is believed only where the
/// process's own memory says the same: there may be no `/proc`, or another one. Never by way of
/// `CommandLine`, which reads that file as well and ends the process when it is not its own.
package enum ProcessArguments {
  /// The program's own name first; nil where they cannot be read.
  package static let words: [String]? = read()

  private static let sizeMax = 8 << 20
  /// Words that an emulator may have put before the program's own name.
  private static let foreignMax = 3

  private static func read() -> [String]? {
    guard
      let bytes = try? WholeFile.read("/proc/self/cmdline", sizeMax: sizeMax, patience: 1),
      bytes.last == 0, let name = cp_program_name()
    else { return nil }
    let words = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false)
    for start in 0..<min(words.count, foreignMax + 1) {
      let own = words[start...]
      guard let end = end(of: own, in: name) else { continue }
      return hasMore(after: end) ? nil : own.map { String(decoding: $0, as: UTF8.self) }
    }
    return nil
  }

  /// Where the words end in memory: the system puts them there one behind the other, each with its
  /// zero. nil where something else stands there; nothing is read behind the first difference.
  private static func end(
    of words: ArraySlice<ArraySlice<UInt8>>, in memory: UnsafePointer<CChar>
  ) -> UnsafePointer<CChar>? {
    var place = memory
    for word in words {
      for byte in word {
        guard place.pointee == CChar(bitPattern: byte) else { return nil }
        place += 1
      }
      guard place.pointee == 0 else { return nil }
      place += 1
    }
    return place
  }

  /// Whether there are arguments that the file does not tell of. Up to the path of the program
  /// only variables of the environment follow, which have a `=` each.
  private static func hasMore(after end: UnsafePointer<CChar>) -> Bool {
    let last = cp_program_path()
    let start = Int(bitPattern: end)
    guard last > start, last - start <= sizeMax else { return false }
    var (isInside, isVariable) = (false, false)
    for offset in 0..<(last - start) {
      if end[offset] == 0 {
        if isInside, !isVariable { return true }
        (isInside, isVariable) = (false, false)
      } else {
        isInside = true
        isVariable = isVariable || end[offset] == CChar(bitPattern: UInt8(ascii: "="))
      }
    }
    return false
  }
}

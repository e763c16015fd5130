import HTTPKit

/// Looks for where a part of a head ends.
extension ByteView {
  /// The first index from `start` on whose byte fails `test`; `count` when none does.
  @inline(__always)
  func end(from start: Int, while test: (UInt8) -> Bool) -> Int {
    precondition(start >= 0)
    var index = start
    while index < count, test(base[index]) { index &+= 1 }
    return index
  }

  /// The first index from `start` on that holds no field value byte (RFC 9110 §5.5); `count` when
  /// all do. Eight bytes at a time: tokens and cookies are long.
  func endOfFieldValue(from start: Int) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let tops: UInt64 = 0x8080_8080_8080_8080
    var index = start
    while true {
      precondition(index >= 0)
      while index &+ 8 <= count {
        let word = UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self)
        let control = (word &- ones &* 0x20) & ~word
        let deletion = word ^ (ones &* 0x7F)
        guard (control | (deletion &- ones) & ~deletion) & tops == 0 else { break }
        index &+= 8
      }
      let stop = min(count, index &+ 8)
      while index < stop, FieldGrammar.isFieldValue(base[index]) { index &+= 1 }
      // A tab among the eight is no control byte: go on with the next ones.
      if index < stop || index == count { return index }
    }
  }
}

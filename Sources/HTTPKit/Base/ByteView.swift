import Glibc

/// A borrowed run of bytes, valid during the call it was handed to and never beyond.
///
/// Every access is bounds-checked in release builds too: a bug here must stop, not read on.
package struct ByteView {
  @usableFromInline package let base: UnsafePointer<UInt8>
  package let count: Int

  @inlinable @inline(__always)
  package init(_ base: UnsafePointer<UInt8>, count: Int) {
    precondition(count >= 0)
    self.base = base
    self.count = count
  }

  @inlinable @inline(__always)
  package init(_ buffer: UnsafeBufferPointer<UInt8>) {
    base = buffer.baseAddress ?? emptyBase
    count = buffer.count
  }

  package static var empty: ByteView { ByteView(emptyBase, count: 0) }

  @inlinable @inline(__always)
  package var isEmpty: Bool { count == 0 }

  /// For `span` and memcpy; the same lifetime as the view.
  @inlinable @inline(__always)
  package var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

  @inlinable @inline(__always)
  package subscript(index: Int) -> UInt8 {
    // One comparison: a negative index is a huge one.
    precondition(
      UInt(bitPattern: index) < UInt(bitPattern: count), "ByteView index out of range")
    return base[index]
  }

  @inlinable @inline(__always)
  package subscript(range: Range<Int>) -> ByteView {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "ByteView range out of range")
    return ByteView(base + range.lowerBound, count: range.count)
  }

  @inlinable @inline(__always)
  package func equals(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount && memcmp(base, text.utf8Start, count) == 0
  }

  @inlinable @inline(__always)
  package func equals(_ other: ByteView) -> Bool {
    count == other.count && memcmp(base, other.base, count) == 0
  }

  @inlinable @inline(__always)
  package func hasPrefix(_ text: StaticString) -> Bool {
    count >= text.utf8CodeUnitCount && memcmp(base, text.utf8Start, text.utf8CodeUnitCount) == 0
  }

  @inlinable
  package func hasSuffix(_ text: StaticString) -> Bool {
    let length = text.utf8CodeUnitCount
    return count >= length && memcmp(base + (count - length), text.utf8Start, length) == 0
  }

  /// ASCII case is ignored; `text` must be lower case.
  @inlinable @inline(__always)
  package func equalsIgnoringCase(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    let expected = text.utf8Start
    var index = 0
    while index < count, lowercased(base[index]) == expected[index] { index &+= 1 }
    return index == count
  }

  @inlinable @inline(__always)
  package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    guard start < count, let found = memchr(base + start, Int32(byte), count - start) else {
      return nil
    }
    return found - UnsafeMutableRawPointer(mutating: base)
  }

  /// Without spaces and tabs at both ends.
  @inlinable
  package var trimmed: ByteView {
    var start = 0
    var end = count
    while start < end, isBlank(base[start]) { start += 1 }
    while end > start, isBlank(base[end - 1]) { end -= 1 }
    return self[start..<end]
  }

  package var array: [UInt8] { Array(buffer) }
  package var string: String { String(decoding: buffer, as: UTF8.self) }
}

/// One byte that is never read, so that an empty view has an address.
@usableFromInline nonisolated(unsafe) let emptyBase: UnsafePointer<UInt8> = {
  // Proof of safety: allocated once, written never again, only zero-length views point here.
  let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
  byte.initialize(to: 0)
  return UnsafePointer(byte)
}()

/// A space or a tab.
@inlinable @inline(__always)
package func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

@inlinable @inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 {
  byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
}

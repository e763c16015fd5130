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
    precondition(index >= 0 && index < count, "ByteView index out of range")
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

  /// ASCII case is ignored; `text` must be lower case.
  package func equalsIgnoringCase(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    for index in 0..<count where lowercased(base[index]) != text.utf8Start[index] { return false }
    return true
  }

  @inlinable @inline(__always)
  package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    guard start < count, let found = memchr(base + start, Int32(byte), count - start) else {
      return nil
    }
    return found - UnsafeMutableRawPointer(mutating: base)
  }

  /// Without spaces and tabs at both ends.
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
nonisolated(unsafe) private let emptyBase: UnsafePointer<UInt8> = {
  // Proof of safety: allocated once, written never again, only zero-length views point here.
  let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
  byte.initialize(to: 0)
  return UnsafePointer(byte)
}()

@inline(__always) func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

@inline(__always) func lowercased(_ byte: UInt8) -> UInt8 {
  byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
}

/// Bytes that one socket did not take yet, in order.
struct OutputQueue {
  private struct Segment {
    var bytes: [UInt8]
    /// Others hold these bytes anyway: waiting here they take no memory.
    var isShared: Bool
  }

  /// What is copied is gathered into segments of about this size.
  private static let gatheredMax = 64 * 1024

  private var segments: [Segment] = []
  /// How many bytes of the first segment are gone.
  private var sent = 0
  /// Bytes that wait.
  private(set) var count = 0
  /// Bytes of memory that they take.
  private(set) var held = 0

  var isEmpty: Bool { count == 0 }

  mutating func append(copying bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    count += bytes.count
    held += bytes.count
    if let last = segments.indices.last, !segments[last].isShared,
      segments[last].bytes.count + bytes.count <= Self.gatheredMax
    {
      segments[last].bytes.append(contentsOf: bytes)
    } else {
      segments.append(Segment(bytes: Array(bytes), isShared: false))
    }
  }

  /// Takes the bytes as they are, but for the first `skipped`.
  mutating func append(_ bytes: [UInt8], skipping skipped: Int, isShared: Bool) {
    guard skipped < bytes.count else { return }
    if segments.isEmpty {
      sent = skipped
    } else if skipped > 0 {
      // What stands before is sent first, so nothing of these can be gone.
      preconditionFailure("bytes were sent out of turn")
    }
    count += bytes.count - skipped
    if !isShared { held += bytes.count }
    segments.append(Segment(bytes: bytes, isShared: isShared))
  }

  /// Hands the oldest bytes to `transmit`, which says how many are gone, until it takes no more of
  /// them. False when it says -1.
  mutating func drain(_ transmit: (UnsafeRawBufferPointer) -> Int) -> Bool {
    while let first = segments.first {
      let taken = first.bytes.withUnsafeBytes {
        transmit(UnsafeRawBufferPointer(rebasing: $0[sent...]))
      }
      guard taken >= 0 else { return false }
      sent += taken
      count -= taken
      guard sent == first.bytes.count else { return true }
      if !first.isShared { held -= first.bytes.count }
      segments.removeFirst()
      sent = 0
    }
    return true
  }
}

import RolloutCore

/// The newest messages in their order, in memory: all that most returning clients have missed.
struct RecentEvents {
  static let countMax = 4096
  /// Bytes of frames.
  static let sizeMax = 8 << 20

  private var frames: [EventFrame] = []
  private var size = 0
  /// Everything after this place is here.
  private(set) var start: MessagePlace
  private(set) var newest: MessagePlace
  /// When the newest plan event was; nil while none is here.
  private(set) var lastModified: Instant?

  init(startingAt place: MessagePlace) {
    start = place
    newest = place
  }

  mutating func append(_ frame: EventFrame, at instant: Instant?) {
    frames.append(frame)
    size += frame.native.count
    newest = frame.place
    lastModified = instant ?? lastModified
    guard frames.count > Self.countMax || size > Self.sizeMax else { return }
    // A quarter at once, so that it does not have to be moved with every message.
    let gone = max(1, frames.count / 4)
    size -= frames[..<gone].reduce(0) { $0 + $1.native.count }
    start = frames[gone - 1].place
    frames.removeFirst(gone)
  }

  /// What follows `place`; nil when some of it is no longer here. O(log n).
  func after(_ place: MessagePlace) -> ArraySlice<EventFrame>? {
    guard place >= start else { return nil }
    var (low, high) = (0, frames.count)
    while low < high {
      let middle = (low + high) / 2
      if frames[middle].place <= place { low = middle + 1 } else { high = middle }
    }
    return frames[low...]
  }
}

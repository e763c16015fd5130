/// How many jobs may wait, and whose: a token has a tenth of the queue while others want it, and
/// half of it while nobody else does; so whoever comes finds room.
///
/// A value without a clock; counts jobs that are being accepted, wait or run.
struct JobRoom: Sendable {
  /// Why a job is not taken.
  enum Refusal: Error, Equatable {
    /// Nobody's is.
    case full
    /// The token has had its share.
    case share
  }

  /// Bytes of the requests that wait.
  static let sizeMax = 1 << 30
  private static let shareOfAll = 10

  private struct Held: Sendable {
    var count = 0
    var size = 0
  }

  /// As the configuration says now.
  var length: Int
  private var all = Held()
  private var apps: [String: Held] = [:]
  /// Those that are being processed wait no more.
  private var running = 0

  init(length: Int) { self.length = length }

  private var waiting: Int { all.count - running }

  /// Room for one job, which has to be given back.
  mutating func take(_ app: String, size: Int) throws(Refusal) {
    guard waiting < length, all.size + size <= Self.sizeMax else { throw .full }
    let own = apps[app] ?? Held()
    let isBeyondShare =
      own.count >= max(1, length / Self.shareOfAll)
      || own.count > 0 && own.size + size > Self.sizeMax / Self.shareOfAll
    if isBeyondShare {
      let isAlone = apps.count == (own.count > 0 ? 1 : 0)
      guard isAlone, waiting < max(1, length / 2), all.size + size <= Self.sizeMax / 2 else {
        throw .share
      }
    }
    add(app, size: size)
  }

  /// Counts a job that has been accepted already, whatever the room.
  mutating func add(_ app: String, size: Int) {
    all.count += 1
    all.size += size
    apps[app, default: Held()].count += 1
    apps[app, default: Held()].size += size
  }

  mutating func giveBack(_ app: String, size: Int) {
    guard var own = apps[app] else { return }
    all.count -= 1
    all.size -= size
    own.count -= 1
    own.size -= size
    apps[app] = own.count > 0 ? own : nil
  }

  mutating func start() { running += 1 }
  mutating func end() { running -= 1 }
}

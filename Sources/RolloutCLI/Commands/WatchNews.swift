import DocumentKit
import HTTPKit
import PlatformKit
import RolloutAPI

/// Something that a watch reacts to.
enum WatchNews: Sendable {
  case key(WatchKey)
  /// Some time went by.
  case tick
  case happened(Happening)
  /// Whether the server tells what happens at once.
  case live(Bool)
  case loaded(WatchKnown)
  case listed(ListPage)
  case failed(CLIFailure)
  /// What came of a command of this watch.
  case answered(String, isDone: Bool)

  /// A message of the event stream.
  struct Happening: Sendable {
    var kind: String
    var feature: String
    /// As it came.
    var json: [UInt8]
    /// nil of a notice, which changed no plan.
    var event: EventView?
    /// What a notice says.
    var sentence: String?
    var at: String
  }
}

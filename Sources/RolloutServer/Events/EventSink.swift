/// Where one listener's news go: onto some wire, in its form.
///
/// Used by one caller at a time, but for `finish` and `abort`; after the end nothing goes anywhere.
protocol EventSink: Sendable {
  /// Opens the stream.
  func begin()
  /// Queues news without waiting; throws once more than `backlogMax` bytes wait for a reader that
  /// does not read, or when it is gone.
  func offer(_ news: [EventNews], backlogMax: Int) throws
  /// Queues news and waits until the reader has taken nearly all; throws when it is gone, or when
  /// the task is cancelled.
  func write(_ news: [EventNews]) async throws
  /// Ends the stream properly.
  func finish()
  /// Cuts the stream, so that the reader sees that this was not its end.
  func abort()
  /// Says instead of a stream that there is none any more.
  func refuse()
  /// Whether the reader is known to be gone.
  var isGone: Bool { get }
  /// Runs `body` when the reader goes before the end; at once when it has.
  func onGone(_ body: @escaping @Sendable () -> Void)
}

import DocumentKit
import HTTPKit
import PlatformKit
import RolloutAPI

/// What the server says as it happens, over every end of the connection.
struct WatchFeed: Sendable {
  /// Before it is tried again.
  private static let pauseMilliseconds = 1000
  /// Bytes of one message; what is longer is no message of ours.
  private static let messageSizeMax = 4 << 20

  let session: Session
  let tell: @Sendable (WatchNews) -> Void

  /// Ends when its task is cancelled.
  func run() async {
    var place: String?
    while !Task.isCancelled {
      await listen(&place)
      tell(.live(false))
      try? await MachineClock().sleep(milliseconds: Self.pauseMilliseconds)
    }
  }

  /// Until the connection ends. `place` is the last message that was read.
  private func listen(_ place: inout String?) async {
    guard let stream = try? await session.listen("/v1/events", after: place) else { return }
    tell(.live(true))
    var pending: [UInt8] = []
    while let bytes = try? await stream.next() {
      pending += bytes.filter { $0 != 0x0D }
      while let end = Self.end(of: pending) {
        let message = String(decoding: pending[..<end], as: UTF8.self)
        pending.removeFirst(end + 2)
        take(message, &place)
      }
      guard pending.count < Self.messageSizeMax else { return }
    }
  }

  private static func end(of bytes: [UInt8]) -> Int? {
    bytes.indices.dropLast().first { bytes[$0] == 0x0A && bytes[$0 + 1] == 0x0A }
  }

  private func take(_ message: String, _ place: inout String?) {
    var (kind, data) = ("", "")
    for line in message.split(separator: "\n") {
      if line.hasPrefix("id: ") { place = clean(String(line.dropFirst(4))) }
      if line.hasPrefix("event: ") { kind = clean(String(line.dropFirst(7))) }
      if line.hasPrefix("data: ") { data = String(line.dropFirst(6)) }
    }
    guard !data.isEmpty, let raw = try? JSONReader.read(Array(data.utf8)) else { return }
    let document = raw.cleaned
    tell(
      .happened(
        .init(
          kind: kind, feature: document["feature"]?.string ?? "", json: Array(data.utf8),
          event: try? WireDecoder.decode(EventView.self, from: document),
          sentence: document["reason"]?.string, at: document["at"]?.string ?? "")))
  }
}

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

/// Everything that a watch shows of one feature, as it was at one moment.
struct WatchKnown: Sendable {
  var plan: PlanView
  var health: HealthView
  var series: SeriesView
  /// Newest first.
  var events: [EventView]
  /// What failed around its hold; nil without one.
  var failures: FailureList?
  /// Who used it in the last ten minutes, about; nil where nobody says.
  var users: Int?

  static func load(_ feature: String, hours: Int, _ session: Session) async throws -> WatchKnown {
    let plan = try await session.get(PlanView.self, APIPath.plan(feature))
    async let health = session.get(HealthView.self, APIPath.health(feature))
    async let series = session.get(
      SeriesView.self, APIPath.series(feature) + APIPath.query([("from", "\(hours)h")]))
    async let events = session.get(
      EventList.self, APIPath.events(feature) + APIPath.query([("limit", "100")]))
    let failures = await failures(plan, session)
    let users = await users(feature, session)
    return try await WatchKnown(
      plan: plan, health: health, series: series, events: events.events, failures: failures,
      users: users)
  }

  private static func failures(_ plan: PlanView, _ session: Session) async -> FailureList? {
    guard let hold = plan.hold.value, let window = WhyCommand.window(around: hold.since) else {
      return nil
    }
    return try? await session.get(FailureList.self, APIPath.failures(plan.feature) + window)
  }

  private static func users(_ feature: String, _ session: Session) async -> Int? {
    let query = APIPath.query([("filter", feature)])
    let page = try? await session.get(OverviewView.self, "/v1/overview" + query)
    return page?.plans.first { $0.feature == feature }?.now.users.value
  }
}

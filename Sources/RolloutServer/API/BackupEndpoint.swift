import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutStore
import Synchronization

/// `POST /v1/backup`: all databases as they are now, as one archive, and whether history is whole.
final class BackupEndpoint: Sendable {
  /// Bytes that are read at a time.
  private static let portionSize = 256 * 1024

  private let history: Store
  private let take: @Sendable () async throws -> Backup
  private let clock: any WallClock
  private let log: Log
  private let trail: AuditTrail
  private let isBusy = Atomic(false)

  /// `take` copies all databases.
  init(
    history: Store, clock: any WallClock, log: Log, trail: AuditTrail,
    _ take: @escaping @Sendable () async throws -> Backup
  ) {
    self.history = history
    self.take = take
    self.clock = clock
    self.log = log
    self.trail = trail
  }

  var routes: [Route] {
    [
      Route(.post, "/v1/backup", .scopes([.admin]), .exchange(backup)),
      Route(
        .get, "/v1/history/check", .scopes([.view]), isLong: { _ in true }, .task(check)),
    ]
  }

  // MARK: A copy

  private func backup(_ request: APIRequest, _ exchange: Exchange) async {
    guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
    else {
      let problem = Problem(
        .unavailable, "Another back-up is under way; try again when it is done.")
      return exchange.respond(Dialect.native.error(problem, headers: [("Retry-After", "10")]))
    }
    defer { isBusy.store(false, ordering: .releasing) }
    do {
      try request.allowQuery("reason")
      let reason = try ChangeReason.of(request)
      let backup = try await take()
      log.notice(
        "a back-up is taken", ["by": request.principal.actor.text, "bytes": "\(backup.size)"])
      await trail.note(
        AuditRecord(
          .backupTaken, by: request.principal.actor, reason: reason, at: clock.now))
      await send(backup, exchange)
    } catch {
      exchange.respond(Dialect.native.error(Problem(error)))
    }
  }

  private func send(_ backup: Backup, _ exchange: Exchange) async {
    let time = Int(clock.now.milliseconds / 1000)
    exchange.begin(
      status: 200, contentType: "application/x-tar",
      headers: [
        ("Content-Disposition", "attachment; filename=\"rollout-backup.tar\""),
        ("Cache-Control", "no-store"),
      ])
    do {
      for file in backup.files {
        try await exchange.write(TapeArchive.header(file.name, size: file.size, seconds: time))
        var offset = 0
        while offset < file.size {
          let (from, count) = (offset, Self.portionSize)
          let bytes = try await QuietThreads.process.result {
            try backup.read(file, from: from, count: count)
          }
          guard !bytes.isEmpty else { return exchange.abort() }
          try await exchange.write(bytes)
          offset += bytes.count
        }
        try await exchange.write(TapeArchive.padding(after: file.size))
      }
      try await exchange.write(TapeArchive.end)
      exchange.finish()
    } catch {
      // Who reads sees that it has no end.
      exchange.abort()
    }
  }

  // MARK: History

  private func check(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let found = try await history.checkHistory()
    return try .json(HistoryCheckView(events: found.events, firstBroken: found.firstBroken))
  }
}

extension Backup {
  /// Bytes of all its files.
  fileprivate var size: Int { files.reduce(0) { $0 + $1.size } }
}

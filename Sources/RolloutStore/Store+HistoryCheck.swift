import DigestKit
import RolloutCore

extension Store {
  /// Events that are looked at between two other pieces of work.
  private static let checkedAtOnce = 500

  /// Follows the chain of all history from its beginning. Returns how many events there are, and
  /// the first one whose hash is not that of what it and those before it say; nil when all are.
  /// Throws `StoreError`.
  package func checkHistory() async throws -> (events: Int, firstBroken: Int?) {
    var (last, hash, count) = (0, [UInt8](), 0)
    while true {
      let (after, before) = (last, hash)
      let page = try await database.readAside { connection in
        try Self.checked(after: after, before, connection)
      }
      count += page.events
      if let broken = page.firstBroken { return (count, broken) }
      guard page.events == Self.checkedAtOnce else { return (count, nil) }
      (last, hash) = (page.last, page.hash)
    }
  }

  private struct Checked: Sendable {
    var events = 0
    var last = 0
    var hash: [UInt8]
    var firstBroken: Int?
  }

  private static func checked(
    after id: Int, _ hash: [UInt8], _ connection: Connection
  ) throws -> Checked {
    var checked = Checked(hash: hash)
    _ = try connection.query(
      """
      SELECT id, feature, version, at_ms, type, actor, reason, from_stage, from_status, to_stage,
        to_status, evidence_json, hash
      FROM plan_event
      WHERE id > :after
      ORDER BY id
      LIMIT :limit
      """, ["after": SQLValue(id), "limit": SQLValue(checkedAtOnce)]
    ) { row in
      checked.events += 1
      checked.last = row.int(0)
      guard checked.firstBroken == nil else { return }
      // What cannot be read is not what was written.
      let link = (try? event(row)).map { HistoryChain.link($0.event, after: checked.hash) }
      checked.hash = row.blob(12)
      if link.map(Digest.sha256) != checked.hash { checked.firstBroken = row.int(0) }
    }
    return checked
  }
}

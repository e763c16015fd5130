import DocumentKit
package import RolloutCore

extension TelemetryDatabase {
  /// Ids in one row; a feature's last row is filled up first.
  private static let idsPerRow = 2000

  static func append(_ seen: SeenIDs, _ connection: Connection) throws {
    let bytes = seen.ids.flatMap { id in withUnsafeBytes(of: id.littleEndian) { Array($0) } }
    let last = try connection.query(
      "SELECT id, id_count, hashes FROM seen_id WHERE feature = :feature ORDER BY id DESC LIMIT 1",
      ["feature": .text(seen.feature)]
    ) { (id: $0.int(0), count: $0.int(1), hashes: $0.blob(2)) }.first
    if let last, last.count.adding(seen.ids.count) <= idsPerRow {
      try connection.run(
        "UPDATE seen_id SET id_count = :count, hashes = :hashes WHERE id = :id",
        [
          "id": SQLValue(last.id), "count": SQLValue(last.count + seen.ids.count),
          "hashes": .blob(last.hashes + bytes),
        ])
      return
    }
    try connection.run(
      "INSERT INTO seen_id (feature, id_count, hashes) VALUES (:feature, :count, :hashes)",
      [
        "feature": .text(seen.feature), "count": SQLValue(seen.ids.count), "hashes": .blob(bytes),
      ])
    try connection.run(
      """
      DELETE FROM seen_id
      WHERE feature = :feature AND id <= (
        SELECT id FROM (
          SELECT id, total(id_count) OVER (ORDER BY id DESC) AS newer
          FROM seen_id
          WHERE feature = :feature
        )
        WHERE newer > :max
        ORDER BY id DESC
        LIMIT 1 OFFSET 1
      )
      """, ["feature": .text(seen.feature), "max": SQLValue(Retention.idsMax)])
  }

  /// Ids of every feature, oldest first.
  package func loadIDs() async throws -> [SeenIDs] {
    try await database.read { connection in
      try connection.query("SELECT feature, hashes FROM seen_id ORDER BY id") { row in
        let hashes = row.blob(1)
        let ids = stride(from: 0, to: hashes.count - 7, by: 8).map { start in
          hashes[start..<(start + 8)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        return SeenIDs(feature: row.text(0), ids: ids)
      }
    }
  }
}

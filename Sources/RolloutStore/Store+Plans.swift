import DigestKit
import DocumentKit
package import RolloutCore

extension Store: PlanStore {
  package func loadPlans() async throws -> LoadedPlans {
    try await database.read { connection in
      LoadedPlans(
        try connection.query(Self.selectPlans, [:], Self.version).map {
          try Self.load($0, connection)
        })
    }
  }

  package func loadPlan(_ feature: String) async throws -> LoadedPlan? {
    try await database.read { connection in
      try connection.query(
        "\(Self.selectPlans) WHERE p.feature = :feature", ["feature": .text(feature)], Self.version
      ).first.map { try Self.load($0, connection) }
    }
  }

  private static let selectPlans = """
    SELECT p.feature, p.version, v.status, v.stage, v.body_json
    FROM (
      SELECT feature, version
      FROM plan
      UNION ALL
      SELECT feature, max(version)
      FROM plan_version
      WHERE feature NOT IN (SELECT feature FROM plan)
      GROUP BY feature
    ) AS p
    LEFT JOIN plan_version AS v ON v.feature = p.feature AND v.version = p.version
    """

  /// A version as its row says, before anybody has tried to read it.
  private struct Version {
    var feature: String
    var version: Int
    var status: String
    var stage: String
    /// nil where the plan's row names a version that is not there.
    var body: [UInt8]?
  }

  private static func version(_ row: Row) -> Version {
    Version(
      feature: row.text(0), version: row.int(1), status: row.text(2), stage: row.text(3),
      body: row.optionalText(4).map { Array($0.utf8) })
  }

  private static func read(_ body: [UInt8]?) throws(DocumentError) -> Plan {
    guard let body else {
      throw DocumentError("That version is not in the database.", at: .unknown)
    }
    return try Plan(JSONReader.read(body, depthMax: JSONReader.storedDepthMax))
  }

  private static func load(_ found: Version, _ connection: Connection) throws -> LoadedPlan {
    let why: String
    do throws(DocumentError) {
      let plan = try read(found.body)
      guard plan.feature != found.feature || plan.version != found.version else {
        return .readable(plan)
      }
      why = "it says that it is version \(plan.version) of \(quoted(plan.feature))"
    } catch { why = "\(error)" }
    let earlier = try connection.query(
      """
      SELECT feature, version, status, stage, body_json
      FROM plan_version
      WHERE feature = :feature AND version < :version
      ORDER BY version DESC
      LIMIT 20
      """, ["feature": .text(found.feature), "version": SQLValue(found.version)], version)
    // Of a version that is not there, the one before it says where the feature stood.
    let place = found.body == nil ? earlier.first ?? found : found
    return .unreadable(
      UnreadablePlan(
        feature: found.feature, version: found.version,
        status: Plan.Status(rawValue: place.status) ?? .killed, stage: place.stage, why: why,
        before: earlier.lazy.compactMap { try? read($0.body) }.first {
          $0.feature == found.feature
        }))
  }

  /// Throws `StoreError.unreadable` unless `body` is read back as the plan it was made from: what
  /// is stored now must not stop the next start.
  private static func check(_ body: String, is plan: Plan) throws {
    do throws(DocumentError) {
      let again = try read(Array(body.utf8))
      guard again != plan || again.document.jsonText != body else { return }
    } catch { throw StoreError.unreadable("\(error)") }
    throw StoreError.unreadable("version \(plan.version) of \(plan.feature)")
  }

  package func commit(
    _ change: Lifecycle.Change, answer: StoredAnswer?
  ) async throws -> StoredEvent {
    let checked = try Self.checked(change)
    let (subscriptions, committed) = (subscriptions, committed)
    let tell: @Sendable (StoredEvent) -> Void = { committed(.event($0)) }
    return try await database.write(committed: tell) { connection in
      let stored = try Self.write(checked, subscriptions, connection)
      if let answer {
        try Self.keep(answer, now: change.plan.updatedAt.steady, connection)
      }
      return stored
    }
  }

  package func commit(all changes: [Lifecycle.Change]) async throws -> [StoredEvent] {
    let checked = try changes.map(Self.checked)
    let (subscriptions, committed) = (subscriptions, committed)
    let tell: @Sendable ([StoredEvent]) -> Void = { for event in $0 { committed(.event(event)) } }
    return try await database.write(committed: tell) { connection in
      try checked.map { try Self.write($0, subscriptions, connection) }
    }
  }

  /// A change with the body that is read back as its plan.
  private struct Checked {
    var change: Lifecycle.Change
    var body: String
  }

  private static func checked(_ change: Lifecycle.Change) throws -> Checked {
    let body = change.plan.document.jsonText
    try check(body, is: change.plan)
    return Checked(change: change, body: body)
  }

  private static func write(
    _ checked: Checked, _ subscriptions: [Subscription], _ connection: Connection
  ) throws -> StoredEvent {
    let (plan, event) = (checked.change.plan, checked.change.event)
    try swapVersion(plan, connection)
    try connection.run(
      """
      INSERT INTO plan_version (feature, version, status, stage, body_json, created_at_ms)
      VALUES (:feature, :version, :status, :stage, :body, :at)
      """,
      [
        "feature": .text(plan.feature), "version": SQLValue(plan.version),
        "status": .text(plan.status.rawValue), "stage": .text(plan.stageName),
        "body": .text(checked.body), "at": SQLValue(plan.updatedAt.wall),
      ])
    try note(latest: plan.updatedAt.steady, connection)
    let id = try append(event, connection)
    try enqueue(event: id, kind: event.kind.rawValue, subscriptions, connection)
    return StoredEvent(id: id, event: event)
  }

  /// Compare-and-set: version 1 must be new, any other must follow the stored one.
  private static func swapVersion(_ plan: Plan, _ connection: Connection) throws {
    let sql =
      plan.version == 1
      ? "INSERT INTO plan (feature, version) VALUES (:feature, :version) ON CONFLICT DO NOTHING"
      : "UPDATE plan SET version = :version WHERE feature = :feature AND version = :version - 1"
    let changed = try connection.run(
      sql, ["feature": .text(plan.feature), "version": SQLValue(plan.version)])
    if changed == 1 { return }
    // A plan without a row of its own is at the last version there is.
    let made = try connection.run(
      """
      INSERT INTO plan (feature, version)
      SELECT feature, :version
      FROM plan_version
      WHERE feature = :feature AND feature NOT IN (SELECT feature FROM plan)
      GROUP BY feature
      HAVING max(version) = :version - 1
      """, ["feature": .text(plan.feature), "version": SQLValue(plan.version)])
    guard made == 1 else { throw StoreError.stale }
  }

  private static func append(_ event: PlanEvent, _ connection: Connection) throws -> Int {
    let previous = try connection.query(
      "SELECT hash FROM plan_event ORDER BY id DESC LIMIT 1"
    ) { $0.blob(0) }
    let hash = Digest.sha256(HistoryChain.link(event, after: previous.first ?? []))
    try connection.run(
      """
      INSERT INTO plan_event (
        feature, version, at_ms, type, actor, reason, from_stage, from_status, to_stage,
        to_status, evidence_json, hash
      ) VALUES (
        :feature, :version, :at, :type, :actor, :reason, :from_stage, :from_status, :to_stage,
        :to_status, :evidence, :hash
      )
      """,
      [
        "feature": .text(event.feature), "version": SQLValue(event.version),
        "at": SQLValue(event.at), "type": .text(event.kind.rawValue),
        "actor": .text(event.actor.text), "reason": .text(event.reason),
        "from_stage": SQLValue(event.from?.stage),
        "from_status": SQLValue(event.from?.status.rawValue),
        "to_stage": .text(event.to.stage), "to_status": .text(event.to.status.rawValue),
        "evidence": SQLValue(event.evidence?.jsonText), "hash": .blob(hash),
      ])
    return connection.lastInsertedID
  }

  private static func keep(
    _ answer: StoredAnswer, now: Instant, _ connection: Connection
  ) throws {
    try connection.run(
      "DELETE FROM idempotency WHERE expires_at_ms <= :now", ["now": SQLValue(now)])
    try connection.run(
      """
      INSERT INTO idempotency (scope, key, request_hash, answer_json, expires_at_ms)
      VALUES (:scope, :key, :hash, :answer, :expires)
      """,
      [
        "scope": .text(answer.scope), "key": .text(answer.key), "hash": .blob(answer.requestHash),
        "answer": .text(answer.answer), "expires": SQLValue(answer.expiresAt),
      ])
  }

  package func answer(scope: String, key: String, now: Instant) async throws -> StoredAnswer? {
    try await database.read { connection in
      try connection.query(
        """
        SELECT request_hash, answer_json, expires_at_ms
        FROM idempotency
        WHERE scope = :scope AND key = :key AND expires_at_ms > :now
        """,
        ["scope": .text(scope), "key": .text(key), "now": SQLValue(now)]
      ) { row in
        StoredAnswer(
          scope: scope, key: key, requestHash: row.blob(0), answer: row.text(1),
          expiresAt: row.instant(2))
      }.first
    }
  }

  package func events(
    feature: String, before: Int?, limit: Int
  ) async throws -> [StoredEvent] {
    try await database.read { connection in
      try connection.query(
        """
        \(Self.selectEvents)
        WHERE feature = :feature AND id < :before
        ORDER BY id DESC
        LIMIT :limit
        """,
        [
          "feature": .text(feature), "before": SQLValue(before ?? Int.max),
          "limit": SQLValue(limit),
        ], Self.event)
    }
  }

  static let selectEvents = """
    SELECT id, feature, version, at_ms, type, actor, reason, from_stage, from_status, to_stage,
      to_status, evidence_json
    FROM plan_event
    """

  static func event(_ row: Row) throws -> StoredEvent {
    guard let kind = PlanEvent.Kind(rawValue: row.text(4)),
      let status = Plan.Status(rawValue: row.text(10))
    else { throw StoreError.corrupt("event \(row.int(0)) is of an unknown type") }
    let from = try row.optionalText(7).map { stage in
      guard let status = Plan.Status(rawValue: row.text(8)) else {
        throw StoreError.corrupt("event \(row.int(0)) came from an unknown status")
      }
      return PlanEvent.Place(stage: stage, status: status)
    }
    return StoredEvent(
      id: row.int(0),
      event: PlanEvent(
        feature: row.text(1), version: row.int(2), at: row.instant(3), kind: kind,
        actor: Actor(text: row.text(5)), reason: row.text(6), from: from,
        to: .init(stage: row.text(9), status: status), evidence: row.document(11)))
  }
}

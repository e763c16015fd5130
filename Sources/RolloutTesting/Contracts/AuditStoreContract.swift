package import RolloutCore

/// What every store of the audit must do, with the ports whose changes it notes.
package enum AuditStoreContract {
  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(
    by store: some AuditStore & TokenStore & CohortStore
  ) async throws -> [String] {
    var promises = Promises()
    try await folding(store, &promises)
    try await asking(store, &promises)
    try await changes(store, &promises)
    try await bounds(store, &promises)
    return promises.broken
  }

  private static func query(
    before: Int? = nil, since: Instant? = nil, type: String? = nil, actor: String? = nil,
    limit: Int = 2000
  ) -> AuditQuery {
    AuditQuery(before: before, since: since, type: type, actor: actor, limit: limit)
  }

  private static func folding(
    _ store: some AuditStore, _ promises: inout Promises
  ) async throws {
    let now = Samples.start
    var first = AuditRecord(
      .cohortMembersAdded, by: .token("app"), target: "beta", reason: "opt in", at: now)
    first.users = 2
    var second = first
    (second.at, second.lastAt) = (now + .minutes(1), now + .minutes(1))
    try await store.keep([first, second])
    let kept = try await store.audit(query())
    promises.keep(
      kept.count == 1 && kept.first?.count == 2 && kept.first?.users == 4
        && kept.first?.at == first.at && kept.first?.lastAt == second.at,
      "what is done alike within an hour is one, with how often and when")
    var others = [first, first, first, first]
    others[0].reason = "another"
    others[1].target = "other"
    others[2].actor = .anonymous
    others[3].at = now + .hours(1)
    others[3].lastAt = others[3].at
    try await store.keep(others)
    promises.keep(try await store.audit(query()).count == 5, "what differs stands alone")
    let made = AuditRecord(.tokenCreated, by: .token("a"), target: "t", at: now)
    try await store.keep([made, made])
    promises.keep(
      try await store.audit(query(type: "token_created")).count == 2,
      "what is done seldom is never folded")
  }

  private static func asking(_ store: some AuditStore, _ promises: inout Promises) async throws {
    let all = try await store.audit(query())
    promises.keep(all.map(\.id) == all.map(\.id).sorted(by: >), "the newest come first")
    let page = try await store.audit(query(before: all[2].id, limit: 2))
    promises.keep(page == Array(all[3..<5]), "a page goes on below the id that it is told")
    let actor = try await store.audit(query(actor: "anonymous"))
    promises.keep(actor.map(\.actor) == [.anonymous], "one actor's are found")
    let late = try await store.audit(query(since: Samples.start + .hours(1)))
    promises.keep(late.count == 1, "what was done since then is found")
    try await store.forgetAudit(before: Samples.start + .minutes(1))
    let left = try await store.audit(query())
    promises.keep(
      left.count == 2 && left.allSatisfy { $0.lastAt >= Samples.start + .minutes(1) },
      "what is old is forgotten, unless it was repeated since")
  }

  /// What the other ports note with their changes.
  private static func changes(
    _ store: some AuditStore & TokenStore & CohortStore, _ promises: inout Promises
  ) async throws {
    let now = Samples.start + .days(1)
    func record(_ kind: AuditRecord.Kind) -> AuditRecord {
      AuditRecord(kind, by: .token("ops"), target: "noted", at: now)
    }
    func noted() async throws -> [AuditRecord] { try await store.audit(query(actor: "token:ops")) }
    let token = TokenRecord(
      id: "noted", name: "noted", secretHash: Array(repeating: 7, count: 32), scopes: [.view],
      features: nil, createdAt: now, expiresAt: nil)
    try await store.insert(token, noting: record(.tokenCreated))
    await promises.refuse(.alreadyExists(""), "a name is one token's") {
      try await store.insert(token, noting: record(.tokenCreated))
    }
    _ = try await store.revoke(id: "noted", at: now, noting: record(.tokenRevoked))
    _ = try await store.revoke(id: "noted", at: now, noting: record(.tokenRevoked))
    promises.keep(
      try await noted().map(\.type) == ["token_revoked", "token_created"],
      "tokens are noted where something changed, and only there")
    let added = record(.cohortMembersAdded)
    try await store.add(["u", "v"], to: "c", at: now, noting: added)
    try await store.add(["v", "w\u{0}"], to: "c", at: now, noting: added)
    try await store.add(["v"], to: "c", at: now, noting: added)
    try await store.remove("x", from: "c", noting: record(.cohortMembersRemoved))
    try await store.remove("u", from: "c", noting: record(.cohortMembersRemoved))
    try await store.removeAll(from: "c", noting: record(.cohortDeleted))
    try await store.removeAll(from: "c", noting: record(.cohortDeleted))
    let users = try await noted().prefix(3).map { "\($0.type) \($0.users) \($0.count)" }
    promises.keep(
      users == ["cohort_deleted 2 1", "cohort_members_removed 1 1", "cohort_members_added 3 2"],
      "cohorts are noted with how many users, where anybody joined or left (\(users))")
  }

  private static func bounds(_ store: some AuditStore, _ promises: inout Promises) async throws {
    let now = Samples.start + .days(2)
    let many = (0...Retention.auditPerActorMax).map { number in
      AuditRecord(.tokenRevoked, by: .token("many"), target: "\(number)", at: now)
    }
    try await store.keep([AuditRecord(.tokenCreated, by: .token("many"), at: now)] + many)
    let kept = try await store.audit(query(actor: "token:many"))
    let revoked = kept.filter { $0.kind == .tokenRevoked }
    promises.keep(
      revoked.count == Retention.auditPerActorMax && revoked.last?.target == "1",
      "of one actor and type the newest are kept")
    promises.keep(
      kept.contains { $0.kind == .tokenCreated },
      "who does one thing often pushes out nothing else")
  }
}

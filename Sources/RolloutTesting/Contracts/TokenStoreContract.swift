package import RolloutCore

/// What every store of tokens must do.
package enum TokenStoreContract {
  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some TokenStore) async throws -> [String] {
    var promises = Promises()
    let now = Samples.start
    let app = token("app", [.evaluate, .alert], features: ["a"], until: now + .days(1))
    try await store.insert(app)
    promises.keep(try await store.loadTokens() == [app], "a token is kept as it was given")
    await promises.refuse(.alreadyExists(""), "a name is one valid token's") {
      try await store.insert(token("other", [.evaluate], name: "app"))
    }
    // Made when the first has expired.
    var next = token("next", [.evaluate], name: "app")
    next.createdAt = now + .days(2)
    try await store.insert(next)
    promises.keep(
      try await store.loadTokens().first { $0.id == "app" }?.revokedAt == app.expiresAt,
      "a token that has expired gives its name back")
    await promises.refuse(.notFound(""), "what is not there cannot be revoked") {
      _ = try await store.revoke(id: "nobody", at: now)
    }
    try await admins(store, &promises)
    try await store.noteUse(of: ["next", "nobody"], at: now + .seconds(9))
    try await store.noteUse(of: ["next"], at: now + .seconds(5))
    promises.keep(
      try await store.loadTokens().first { $0.id == "next" }?.lastUsedAt == now + .seconds(9),
      "the last use is the latest that was told")
    return promises.broken
  }

  private static func admins(
    _ store: some TokenStore, _ promises: inout Promises
  ) async throws {
    let now = Samples.start
    try await store.insert(token("one", [.admin]))
    promises.keep(
      try await store.revoke(id: "one", at: now) == .refusedAsLastAdmin,
      "the last administrator stays")
    try await store.insert(token("two", [.admin]))
    let revoked = try await store.revoke(id: "one", at: now)
    let again = try await store.revoke(id: "one", at: now + .seconds(1))
    promises.keep(revoked == .done && again == .done, "revoking twice is no error")
    let stored = try await store.loadTokens().first { $0.id == "one" }
    promises.keep(stored?.revokedAt == now, "what was revoked once stays so from then on")
    promises.keep(
      try await store.revoke(id: "two", at: now) == .refusedAsLastAdmin,
      "a revoked administrator is none")
    try await store.insert(token("brief", [.admin], until: now + .days(1)))
    promises.keep(
      try await store.revoke(id: "two", at: now) == .refusedAsLastAdmin,
      "an administrator who ends within a day is none to be left alone with")
    try await store.insert(token("briefer", [.admin], until: now + .hours(1)))
    promises.keep(
      try await store.revoke(id: "briefer", at: now) == .done,
      "an administrator may go whom others outlast")
    try await store.insert(token("lasting", [.admin], until: now + .days(1) + .seconds(1)))
    promises.keep(
      try await store.revoke(id: "two", at: now) == .done,
      "one who goes on for more than a day is enough")
    promises.keep(
      try await store.revoke(id: "lasting", at: now) == .refusedAsLastAdmin,
      "nobody makes the end of all administrators come nearer than a day")
  }

  private static func token(
    _ id: String, _ scopes: Set<Scope>, name: String? = nil, features: Set<String>? = nil,
    until: Instant? = nil
  ) -> TokenRecord {
    TokenRecord(
      id: id, name: name ?? id, secretHash: Array(repeating: 7, count: 32), scopes: scopes,
      features: features, createdAt: Samples.start, expiresAt: until)
  }
}

package import RolloutCore

extension ControlTables {
  package func finalAlerts(
    _ keys: Set<String>, feature: String, action: Alert.Action, sender: String
  ) -> [String: AlertRecord.State] {
    var found: [String: AlertRecord.State] = [:]
    for record in alerts
    where keys.contains(record.alert.dedupeKey) && record.alert.feature == feature
      && record.alert.action == action
    {
      let key = record.alert.dedupeKey
      switch record.state {
      case .acted: found[key] = .acted
      case .resolved where record.sender == sender && found[key] == nil: found[key] = .resolved
      case .resolved, .inert: continue
      }
    }
    return found
  }

  package mutating func keep(_ records: [AlertRecord]) {
    for record in records { keep(record) }
    for sender in Set(records.map(\.sender)) {
      forget(beyond: Retention.inertAlertsMax) { $0.state == .inert && $0.sender == sender }
      forget(beyond: Retention.resolvedAlertsMax) { $0.state == .resolved && $0.sender == sender }
    }
    forget(beyond: Retention.actedAlertsMax) { $0.state == .acted }
  }

  private mutating func keep(_ record: AlertRecord) {
    if let index = alerts.firstIndex(where: { $0.isKept(with: record) }) {
      let receivedAt = alerts[index].alert.receivedAt
      alerts[index].alert = record.alert
      alerts[index].alert.receivedAt = receivedAt
      alerts[index].lastReceivedAt = record.alert.receivedAt
      alerts[index].count += record.count
      return
    }
    alertCount += 1
    var record = record
    record.id = alertCount
    alerts.append(record)
  }

  private mutating func forget(beyond max: Int, _ isMeant: (AlertRecord) -> Bool) {
    let old = Set(alerts.filter(isMeant).map(\.id).dropLast(max))
    if !old.isEmpty { alerts.removeAll { old.contains($0.id) } }
  }

  package func alerts(before: Int?, limit: Int, features: Set<String>?) -> [AlertRecord] {
    Array(
      alerts.reversed().filter {
        $0.id < before ?? Int.max && features?.contains($0.alert.feature) ?? true
      }.prefix(limit))
  }

  // MARK: Tokens

  package mutating func insert(
    _ token: TokenRecord, noting entry: AuditRecord?
  ) throws(StoreError) {
    for index in tokens.indices
    where tokens[index].name == token.name && tokens[index].hasExpired(at: token.createdAt) {
      tokens[index].revokedAt = tokens[index].revokedAt ?? tokens[index].expiresAt
    }
    let isTaken = tokens.contains {
      $0.id == token.id || $0.name == token.name && $0.revokedAt == nil
    }
    guard !isTaken else { throw .alreadyExists("A token named \(token.name)") }
    tokens.append(token)
    if let entry { keep(entry) }
  }

  package var allTokens: [TokenRecord] {
    tokens.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
  }

  package mutating func revoke(
    id: String, at now: Instant, noting entry: AuditRecord?
  ) throws(StoreError) -> Revocation {
    guard let index = tokens.firstIndex(where: { $0.id == id }) else {
      throw .notFound("That token")
    }
    let others = tokens.contains { $0.id != id && $0.canFollow(tokens[index], at: now) }
    if tokens[index].isAdmin(at: now), !others { return .refusedAsLastAdmin }
    guard tokens[index].revokedAt == nil else { return .done }
    tokens[index].revokedAt = now
    if let entry { keep(entry) }
    return .done
  }

  package mutating func noteUse(of ids: [String], at now: Instant) {
    for index in tokens.indices where ids.contains(tokens[index].id) {
      tokens[index].lastUsedAt = max(tokens[index].lastUsedAt ?? now, now)
    }
  }
}

extension AlertRecord {
  /// Whether the two are kept as one.
  fileprivate func isKept(with other: AlertRecord) -> Bool {
    guard state == other.state else { return false }
    let isSame =
      alert.feature == other.alert.feature && alert.action == other.alert.action
      && alert.dedupeKey == other.alert.dedupeKey
    switch state {
    case .acted: return isSame
    case .resolved: return isSame && sender == other.sender
    case .inert: return sender == other.sender && fold == other.fold
    }
  }
}

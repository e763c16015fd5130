package import RolloutCore

extension ControlTables {
  package mutating func keep(_ records: [AuditRecord]) {
    for record in records { keep(record) }
  }

  mutating func keep(_ record: AuditRecord) {
    if let fold = record.fold, let index = audits.firstIndex(where: { $0.fold == fold }) {
      audits[index].merge(record)
      return
    }
    auditCount += 1
    var record = record
    record.id = auditCount
    audits.append(record)
    let alike = audits.filter { $0.actor == record.actor && $0.type == record.type }
    let old = Set(alike.dropLast(Retention.auditPerActorMax).map(\.id))
    audits.removeAll { old.contains($0.id) || $0.id <= auditCount - Retention.auditMax }
  }

  /// Nothing where nobody joined or left.
  mutating func keep(_ record: AuditRecord?, users: Int) {
    guard var record, users > 0 else { return }
    record.users = users
    keep(record)
  }

  package func audit(_ query: AuditQuery) -> [AuditRecord] {
    let found = audits.reversed().filter { record in
      record.id < query.before ?? Int.max && query.since.map { record.lastAt >= $0 } ?? true
        && query.type.map { record.type == $0 } ?? true
        && query.actor.map { record.actor.text == $0 } ?? true
    }
    return Array(found.prefix(query.limit))
  }

  package mutating func forgetAudit(before: Instant) {
    audits.removeAll { $0.lastAt < before }
  }
}

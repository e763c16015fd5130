package import DocumentKit

extension Plan {
  /// Everything needed to go on after a restart; the store keeps it as one JSON text per version.
  package var document: Document {
    .object([
      "definition": definition.document,
      "version": .int(version),
      "status": .string(status.rawValue),
      "stage_index": .int(stageIndex),
      "stage_entered_at": stageEnteredAt.map { .int($0.wall.milliseconds) },
      "stage_entered_steady": stageEnteredAt.map { .int($0.steady.milliseconds) },
      "paused_at": pausedAt.map { .int($0.milliseconds) },
      "paused_before_ms": pausedBefore == .zero ? nil : .int(pausedBefore.milliseconds),
      "hold": hold.map {
        .object([
          "cause": .string($0.cause.rawValue), "reason": .string($0.reason),
          "since": .int($0.since.wall.milliseconds),
          "since_steady": .int($0.since.steady.milliseconds),
          "cooldown_ms": $0.cooldown.map { .int($0.milliseconds) },
          "acknowledged": $0.acknowledged.map { seen in
            .object([
              "by": .string(seen.by), "at": .int(seen.at.wall.milliseconds),
              "at_steady": .int(seen.at.steady.milliseconds),
            ])
          },
        ])
      },
      "incident": incident.map {
        .object([
          "stage": .string($0.stage), "at": .int($0.at.wall.milliseconds),
          "at_steady": .int($0.at.steady.milliseconds),
          "approvals": .array($0.approvals.map { .string($0) }),
        ])
      },
      "approvals": .array(approvals.map { .string($0) }),
      "file_approvals": fileApprovals.isEmpty
        ? nil
        : .array(
          fileApprovals.map {
            .object(["digest": .string($0.digest), "name": .string($0.name)])
          }),
      "applied_by": appliedBy.map { .string($0) },
      "recent_rollbacks": .array(recentRollbacks.map { .int($0.milliseconds) }),
      "automatic_advance_off": .bool(automaticAdvanceOff),
      "archived": archived.map {
        .object([
          "was": .string($0.was.rawValue), "at": .int($0.at.wall.milliseconds),
          "at_steady": .int($0.at.steady.milliseconds),
        ])
      },
      "created_at": .int(createdAt.milliseconds),
      "updated_at": .int(updatedAt.wall.milliseconds),
      "updated_steady": .int(updatedAt.steady.milliseconds),
    ])
  }

  /// Reads what `document` wrote. Throws when it is anything else: what is missing or unknown is
  /// never taken for what lets more happen.
  package init(_ document: Document) throws(DocumentError) {
    var reader = try ObjectReader(document, isStored: true)
    let definition = try PlanDefinition(try reader.required("definition"), isStored: true)
    self.init(
      definition, at: Moment(try reader.instant("created_at") ?? Instant(milliseconds: 0)))
    version = try reader.needed("version", reader.int("version", in: 1...(Int.max >> 1)))
    status = try reader.needed("status", reader.choice("status"))
    stageIndex = try reader.needed(
      "stage_index", reader.int("stage_index", in: -1...(definition.stages.count - 1)))
    stageEnteredAt = try reader.moment("stage_entered_at", "stage_entered_steady")
    pausedAt = try reader.instant("paused_at")
    pausedBefore = TimeSpan(
      milliseconds: Int64(try reader.int("paused_before_ms", in: 0...Int.max) ?? 0))
    if var hold = try reader.object("hold") {
      self.hold = Hold(
        cause: try hold.needed("cause", hold.choice("cause")),
        reason: try hold.string("reason") ?? "",
        since: try hold.moment("since", "since_steady") ?? Moment(createdAt))
      self.hold?.cooldown = try hold.int("cooldown_ms", in: 0...(Int.max >> 1))
        .map { TimeSpan(milliseconds: Int64($0)) }
      if var seen = try hold.object("acknowledged") {
        self.hold?.acknowledged = Acknowledgement(
          by: try seen.string("by") ?? "", at: try seen.moment("at", "at_steady") ?? updatedAt)
      }
    }
    if var incident = try reader.object("incident") {
      self.incident = Incident(
        stage: try incident.string("stage") ?? "",
        at: try incident.moment("at", "at_steady") ?? Moment(createdAt))
      self.incident?.approvals = try incident.texts("approvals") ?? []
    }
    approvals = try reader.texts("approvals") ?? []
    fileApprovals = (reader.optional("file_approvals")?.array ?? []).compactMap { item in
      guard let digest = item["digest"]?.string, let name = item["name"]?.string else { return nil }
      return FileApproval(digest: digest, name: name)
    }
    appliedBy = try reader.string("applied_by")
    for rollback in try reader.list("recent_rollbacks") ?? [] {
      guard let at = rollback.element.int else {
        throw reader.error("recent_rollbacks", "Expected whole numbers.")
      }
      recentRollbacks.append(Instant(milliseconds: Int64(at)))
    }
    automaticAdvanceOff = try reader.bool("automatic_advance_off") ?? false
    if var archived = try reader.object("archived") {
      self.archived = Archived(
        was: try archived.choice("was") ?? .killed,
        at: try archived.moment("at", "at_steady") ?? Moment(createdAt))
    }
    updatedAt = try reader.moment("updated_at", "updated_steady") ?? Moment(createdAt)
  }
}

extension ObjectReader {
  fileprivate func needed<Value>(_ key: String, _ value: Value?) throws(DocumentError) -> Value {
    guard let value else { throw error(key, "It is missing.") }
    return value
  }

  fileprivate mutating func instant(_ key: String) throws(DocumentError) -> Instant? {
    try int(key, in: Int.min...Int.max).map { Instant(milliseconds: Int64($0)) }
  }

  /// What was written before there was a steady clock has only a wall time, where that began.
  fileprivate mutating func moment(
    _ wall: String, _ steady: String
  ) throws(DocumentError) -> Moment? {
    let place = try instant(steady)
    return try instant(wall).map { Moment(wall: $0, steady: place ?? $0) }
  }
}

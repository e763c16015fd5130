package import DocumentKit
package import RolloutEvaluation

extension PlanDefinition {
  /// The canonical plan file: reading it back gives an equal definition. Defaults are left out
  /// where the reader would put the same back.
  package var document: Document {
    .object([
      "feature": .string(feature),
      "description": description.isEmpty ? nil : .string(description),
      "bucketing": population.bucketing == .rollout
        ? nil : .string(population.bucketing.rawValue),
      "salt": .string(population.salt),
      "eligible": population.eligible.map { .array($0.map(\.document)) },
      "force_on": population.forceOn.isEmpty
        ? nil : .array(population.forceOn.map { .string($0) }),
      "force_off": population.forceOff.isEmpty
        ? nil : .array(population.forceOff.map { .string($0) }),
      "holdout": population.holdout == .none ? nil : .string(population.holdout.compact),
      "stages": .array(stages.map(\.document)),
      "advance": .string(advance.rawValue),
      "hours": OpeningHours.document(hours),
      "guards": .array(guards.map(\.document)),
      "rollback": .object([
        "to": .string(rollbackDestination.rawValue), "cooldown": .string(cooldown.text),
      ]),
      "preset": preset.map { .string($0.rawValue) },
      "attribution": attribution ? nil : .string("off"),
      "require_evidence": requireEvidence ? .bool(true) : nil,
      "dry_run": dryRun ? .bool(true) : nil,
      "route": route.map { .string($0) },
      "fallback": fallbackContent.map { .object(["content": .string($0)]) },
      "values": values.map { .object(["on": $0.on, "off": $0.off]) },
    ])
  }
}

extension PlanDefinition {
  /// Whether both say the same to the byte: `==` takes canonically equivalent texts for the same,
  /// and deciding does not.
  func isIdentical(to other: PlanDefinition) -> Bool {
    self == other && document.json == other.document.json
  }
}

extension Share {
  /// `25`, a number where that leaves no doubt; `0.25%` where a bare one would.
  fileprivate var plain: Document {
    let number = formatFixed(thousandths, decimals: 3)
    return Share.doubt(about: number) == nil ? Document(.number(number)) : .string(compact)
  }
}

extension Stage {
  fileprivate var document: Document {
    .object([
      "name": .string(name),
      "rules": audience.rules.isEmpty ? nil : .array(audience.rules.map(\.document)),
      "cohort": audience.cohort.map { .string($0) },
      "percent": audience.percent.map(\.plain),
      "soak": soak.map { .string($0.text) },
      "approvals": approvals == 0 ? nil : .int(approvals),
      "preset": preset.map { .string($0.rawValue) },
      "advance_at": advanceAt.map { .string($0.text) },
      "hours": OpeningHours.document(hours),
    ])
  }
}

extension Rule {
  /// As plan files write it.
  package var document: Document {
    switch self {
    case .all(let rules): .object(["all": .array(rules.map(\.document))])
    case .attribute(let name, let condition):
      Document(
        .object([
          .init(key: "attribute", value: .string(name)),
          .init(key: condition.member.0, value: condition.member.1),
        ]))
    }
  }
}

extension Rule.Condition {
  fileprivate var member: (String, Document) {
    switch self {
    case .isIn(let values): ("in", .array(values.map(\.document)))
    case .isNotIn(let values): ("not_in", .array(values.map(\.document)))
    case .startsWith(let parts): ("starts_with", .array(parts.map { .string($0) }))
    case .endsWith(let parts): ("ends_with", .array(parts.map { .string($0) }))
    case .contains(let parts): ("contains", .array(parts.map { .string($0) }))
    case .greaterThan(let limit): ("greater_than", limit.document)
    case .atLeast(let limit): ("at_least", limit.document)
    case .lessThan(let limit): ("less_than", limit.document)
    case .atMost(let limit): ("at_most", limit.document)
    case .exists(let wanted): ("exists", .bool(wanted))
    }
  }
}

extension Numeral {
  fileprivate var document: Document {
    switch self {
    case .whole(let number): .int(number)
    case .decimal(let number): Document(.number(number.text))
    }
  }
}

extension AttributeValue {
  fileprivate var document: Document {
    switch self {
    case .text(let text): .string(text)
    case .number(let number): number.document
    case .bool(let flag): .bool(flag)
    case .list(let values): .array(values.map(\.document))
    }
  }
}

extension Guard.Limit {
  /// As plan files write it: `5%`, `5s`, `$0.02`, `2x`.
  package var text: String {
    switch self {
    case .share(let share): share.compact
    case .time(let span): span.text
    case .money(let money): money.text
    case .number(let number): shortestText(of: number)
    case .multiple(let factor): shortestText(of: factor) + "x"
    }
  }
}

extension Guard {
  fileprivate var document: Document {
    .object([
      "metric": metric == .prometheus ? nil : .string(metric.rawValue),
      "prometheus": metric == .prometheus ? .string(query) : nil,
      "max": .string(limit.text),
      "investigate": investigate.map { .string($0.compact) },
      "action": .string(action.rawValue),
      "window": window == 500 ? nil : .int(window),
      "min_requests": minRequests == min(100, window) ? nil : .int(minRequests),
      "margin": margin.map { .double($0) },
      "sustain": sustain.map { .string($0.text) },
      "min_affected_users": minAffectedUsers.map { .int($0) },
      "evidence": firingScore.map { .double($0) },
      "counts": counts == [.failed, .degradedFallback]
        ? nil : .array(counts.map(\.rawValue).sorted().map { .string($0) }),
      "dry_run": dryRun ? .bool(true) : nil,
      "required": isRequired ? .bool(true) : nil,
    ])
  }
}

package import DocumentKit
package import RolloutEvaluation

/// What a plan file says: everything about a rollout except where it stands.
package struct PlanDefinition: Sendable, Equatable {
  package enum Advance: String, Sendable, CaseIterable {
    case manual, automatic
  }

  /// Where an automatic rollback goes.
  package enum RollbackDestination: String, Sendable, CaseIterable {
    case previous, start, off
  }

  /// Flag values for OpenFeature clients; both of one JSON type.
  package struct Values: Sendable, Equatable {
    package var on: Document
    package var off: Document

    package init(on: Document, off: Document) {
      self.on = on
      self.off = off
    }
  }

  package var feature: String
  package var description = ""
  /// Its salt and bucketing are fixed once the plan has started; the salt is the feature key where
  /// the file names none.
  package var population: Population
  /// At least one; names unique, percentages never decreasing.
  package var stages = Stage.defaults
  package var advance = Advance.manual
  /// When automation may enter a stage that has no hours of its own: while one of them is open; nil
  /// for always.
  package var hours: [OpeningHours]?
  package var guards = Guard.defaults
  package var rollbackDestination = RollbackDestination.previous
  package var cooldown = TimeSpan.minutes(30)
  package var preset: Preset?
  /// Whether a shared outage (control arm sick too) holds instead of rolling back.
  package var attribution = true
  package var requireEvidence = false
  package var dryRun = false
  /// The AI route of the server's configuration; nil when the feature does not use the gateway.
  package var route: String?
  /// What users get instead of an AI answer; nil for none.
  package var fallbackContent: String?
  package var values: Values?

  package init(feature: String) {
    self.feature = feature
    population = Population(salt: feature)
  }

  /// What deciding needs of it.
  package var audience: Audience {
    Audience(population: population, stages: stages.map(\.audience))
  }

  /// What OpenFeature clients get for those who have the feature, and for everybody else.
  package var valueOn: Document { values?.on ?? .bool(true) }
  package var valueOff: Document { values?.off ?? .bool(false) }

  /// The time zones that its hours name.
  package var zoneNames: Set<String> {
    Set((stages.flatMap { $0.hours ?? [] } + (hours ?? [])).map(\.zone))
  }

  /// By position: stages below 25 % are `sensitive`, from 25 % `normal`.
  package func preset(atStage index: Int) -> Preset {
    guard stages.indices.contains(index) else { return preset ?? .normal }
    if let chosen = stages[index].preset ?? preset { return chosen }
    return (stages[index].audience.percent ?? .none) < .percent(25) ? .sensitive : .normal
  }
}

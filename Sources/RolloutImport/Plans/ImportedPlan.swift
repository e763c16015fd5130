package import RolloutCore
import RolloutEvaluation

/// What becomes of a flag: a plan, or why there is none.
package struct ImportedPlan: Sendable {
  /// Who has the feature there.
  package enum Reach: String, Sendable {
    case everybody, some, nobody
    /// Nobody while it is switched off there; its rules would let in some.
    case disabled
  }

  /// Of the flag.
  package var key: String
  /// nil where no plan is made.
  package private(set) var definition: PlanDefinition?
  package private(set) var refusal: String?
  package private(set) var reach = Reach.nobody
  package private(set) var remarks: [Remark]
  package let path: String

  /// The first stage: whoever has the feature when the plan is made.
  package static let stageName = "imported"
  /// The stages that follow, percent of whoever may be drawn.
  private static let furtherPercents = [5, 25, 50, 100]

  /// Whether exactly those have it, once the first stage is served, who have it there.
  package var keepsPeople: Bool {
    definition != nil && !remarks.contains { $0.effect == .people }
  }

  package init(_ flag: ForeignFlag, of system: ForeignSystem) {
    key = flag.key
    path = flag.path
    remarks = flag.remarks
    var flag = flag
    if let refusal = flag.refusal {
      self.refusal = refusal
      return
    }
    do throws(FlagReach.Refusal) {
      let reach = try FlagReach(&flag)
      remarks = flag.remarks
      if reach.isNobody, let lost = remarks.first(where: { $0.effect == .people }) {
        refusal = "none of those who have it can be told here: \(lost.text)"
        return
      }
      let definition = Self.definition(flag, reach, system)
      if let problem = PlanDefinition.problems(of: definition.document).first {
        refusal = "the plan would be refused: \(problem)"
        return
      }
      self.definition = definition
      self.reach =
        reach.isNobody
        ? .nobody
        : !flag.isEnabled
          ? .disabled
          : reach.includesAll && reach.forceOff.isEmpty ? .everybody : .some
      if definition.feature != flag.key {
        remarks.append(
          Remark(
            .other, "its key is no feature key here: apps ask for \(definition.feature)",
            flag.path, flag.position))
      }
    } catch {
      remarks = flag.remarks
      refusal = error.why
    }
  }

  /// No plan is made after all.
  package mutating func refuse(_ why: String) {
    definition = nil
    refusal = why
  }

  private static func definition(
    _ flag: ForeignFlag, _ reach: FlagReach, _ system: ForeignSystem
  ) -> PlanDefinition {
    var definition = PlanDefinition(feature: name(flag.key))
    definition.description =
      flag.description.isEmpty ? "From \(system.title)" : flag.description
    var population = Population(salt: reach.draw?.salt ?? flag.salt)
    population.bucketing = reach.draw?.bucketing ?? flag.bucketing
    population.eligible = reach.eligible
    population.forceOn = reach.forceOn
    population.forceOff = reach.forceOff
    definition.population = population
    definition.values = flag.values
    definition.stages = stages(reach)
    return definition
  }

  private static func stages(_ reach: FlagReach) -> [Stage] {
    let share: Share? = reach.includesAll ? .all : reach.draw?.share
    let further = furtherPercents.map { Share.percent($0) }.filter { $0 > share ?? .none }
    var stages: [Stage] = []
    if !reach.isNobody {
      var first = Stage(name: stageName)
      first.audience.rules = reach.rules
      // A stage of nobody but the listed is written as a share of none.
      first.audience.percent = share ?? (reach.rules.isEmpty ? Share.none : nil)
      stages.append(first)
    }
    for share in further {
      var stage = Stage(name: String(share.thousandths / 1000))
      stage.audience.percent = share
      stages.append(stage)
    }
    return stages
  }

  /// What a feature may be called: what it may not hold becomes `-`.
  private static func name(_ key: String) -> String {
    let letters = key.unicodeScalars.map { scalar -> Character in
      isName("a\(scalar)") ? Character(scalar) : "-"
    }
    return String(String(letters).drop { $0 == "." || $0 == "-" })
  }
}

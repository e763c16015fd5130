import DocumentKit
import RolloutEvaluation

/// What applying a file changes about who has the feature, and about what the others get, told from
/// how the plans are written: rules, cohorts, lists and shares, never by drawing ids.
package struct AudienceChange: Sendable, Equatable {
  /// By what people join or leave.
  package enum Means: String, Sendable, CaseIterable {
    case share, rule, cohort, list, eligible, holdout
    case forceOff = "force_off"
    /// What everybody gets who does not have the feature.
    case values
  }

  package struct Part: Sendable, Equatable {
    package var by: Means
    /// The stage whose audience it is; nil for what is about the whole plan.
    package var stage: String?
    /// For people: what it is now, or what it was.
    package var what: String

    package init(by means: Means, stage: String?, what: String) {
      by = means
      self.stage = stage
      self.what = what
    }
  }

  /// Who gets the feature at once, or when a killed plan is resumed.
  package private(set) var joins: [Part] = []
  package private(set) var leaves: [Part] = []
  /// Persons other than the one who applies it that must approve the file.
  package private(set) var approvals = 0
  /// The version of the plan that it changes.
  package let planVersion: Int

  /// Whether it could give the feature to anybody who does not have it now.
  package var widens: Bool { !joins.isEmpty }

  private let old: Reach
  private let new: Reach

  /// The change of `plan` to `definition`, where the stage being served stands at `index` in it.
  /// Compares every rule with every other: milliseconds for the largest plans.
  package init(_ plan: Plan, to definition: PlanDefinition, index: Int) {
    planVersion = plan.version
    let isOpen = plan.status != .draft && plan.status != .archived
    old = Reach(plan.definition, openTo: isOpen ? plan.stageIndex : -1)
    new = Reach(definition, openTo: isOpen ? index : -1)
    compareShares()
    compareRules()
    compareCohorts()
    compareLists()
    compareFilters()
    if plan.status != .archived { compareValues() }
    compareApprovals()
  }

  // MARK: Parts of the audience

  /// Takes in a part that the file serves from its stage `stage` on, and the plan so far from
  /// `before` on; nil when no stage of it did: then it counts as reaching everybody.
  private mutating func take(_ part: Part, from stage: Int, before: Int?) {
    let needed = before.map(old.needs) ?? old.needsOfAll
    let isServed = before.map { $0 <= old.openTo } ?? false
    guard new.openTo >= stage, !isServed else {
      // No stage must become an easier way to the same people; an open one neither, or putting the
      // stages in another order would be one.
      approvals = max(approvals, needed.lowered(to: new.needs(stage)))
      return
    }
    joins.append(part)
    approvals = max(approvals, needed.whole)
  }

  private mutating func compareShares() {
    let limits = Set((old.stages + new.stages).compactMap(\.audience.percent?.thousandths))
      .subtracting([0])
    var joined: Part?
    for limit in limits.sorted() {
      guard let stage = new.first(share: limit) else { continue }
      let part = Part(
        by: .share, stage: new.stages[stage].name,
        what: "\(new.openShare.text) instead of \(old.openShare.text)")
      let count = joins.count
      take(part, from: stage, before: old.first(share: limit))
      // One part for all of the share, however many stages it is made of.
      if joins.count > count {
        if joined != nil { joins.removeLast() }
        joined = part
      }
    }
    if new.openShare < old.openShare {
      leaves.append(
        Part(
          by: .share, stage: nil, what: "\(new.openShare.text) instead of \(old.openShare.text)"))
    }
  }

  private mutating func compareRules() {
    for (index, stage) in new.stages.enumerated() where !new.isForEverybody(at: index) {
      for (rule, extent) in zip(stage.audience.rules, new.extents[index]) {
        take(
          Part(by: .rule, stage: stage.name, what: rule.document.jsonText), from: index,
          before: old.first(rule: extent))
      }
    }
    for (index, stage) in old.open where !new.isOpenToEverybody && !old.isForEverybody(at: index) {
      for (rule, extent) in zip(stage.audience.rules, old.extents[index])
      where !new.isOpen(new.first(rule: extent)) {
        leaves.append(Part(by: .rule, stage: stage.name, what: rule.document.jsonText))
      }
    }
  }

  private mutating func compareCohorts() {
    for (index, stage) in new.stages.enumerated() where !new.isForEverybody(at: index) {
      guard let cohort = stage.audience.cohort else { continue }
      take(
        Part(by: .cohort, stage: stage.name, what: cohort), from: index,
        before: old.first(cohort: cohort))
    }
    for (index, stage) in old.open where !new.isOpenToEverybody && !old.isForEverybody(at: index) {
      guard let cohort = stage.audience.cohort, !new.isOpen(new.first(cohort: cohort)) else {
        continue
      }
      leaves.append(Part(by: .cohort, stage: stage.name, what: cohort))
    }
  }

  private mutating func compareLists() {
    let before = Self.exact(old.definition.population.forceOn)
    let after = Self.exact(new.definition.population.forceOn)
    let added = after.subtracting(before)
    if !added.isEmpty {
      // A list passes by eligible, holdout and force_off.
      let isFiltered =
        old.definition.population.eligible != nil || old.definition.population.holdout > .none
        || !Self.exact(old.definition.population.forceOff).isDisjoint(with: added)
      take(
        Part(by: .list, stage: nil, what: Self.listed(added)), from: 0,
        before: isFiltered ? nil : old.everybody)
    }
    // They come with the first stage, so another first stage must not be an easier way to them.
    let kept = after.intersection(before)
    if !kept.isEmpty {
      take(Part(by: .list, stage: nil, what: Self.listed(kept)), from: 0, before: 0)
    }
    let gone = before.subtracting(after)
    if !gone.isEmpty, old.openTo >= 0 {
      leaves.append(Part(by: .list, stage: nil, what: Self.listed(gone)))
    }
  }

  /// What keeps people out of every stage.
  private mutating func compareFilters() {
    let (before, after) = (old.definition.population, new.definition.population)
    func admit(_ means: Means, _ what: String) {
      guard new.openTo >= 0 else { return }
      joins.append(Part(by: means, stage: nil, what: what))
      approvals = max(approvals, old.needs(old.openTo).whole)
    }
    func shut(_ means: Means, _ what: String) {
      if old.openTo >= 0 { leaves.append(Part(by: means, stage: nil, what: what)) }
    }
    // Who joins or leaves is what lies between the two.
    let rules = "\(Self.text(after.eligible)) instead of \(Self.text(before.eligible))"
    if Self.isWider(after.eligible, than: before.eligible) { admit(.eligible, rules) }
    if Self.isWider(before.eligible, than: after.eligible) { shut(.eligible, rules) }
    let shares = "\(after.holdout.text) instead of \(before.holdout.text)"
    if after.holdout < before.holdout { admit(.holdout, shares) }
    if after.holdout > before.holdout { shut(.holdout, shares) }
    let free = Self.exact(before.forceOff).subtracting(Self.exact(after.forceOff))
    if !free.isEmpty { admit(.forceOff, Self.listed(free)) }
    let barred = Self.exact(after.forceOff).subtracting(Self.exact(before.forceOff))
    if !barred.isEmpty { shut(.forceOff, Self.listed(barred)) }
  }

  /// Another value for those outside reaches everybody, at once and whatever the plan does: a draft
  /// and a killed plan hand it out too, so it would be a way round approvals, holds and the kill.
  private mutating func compareValues() {
    let (before, after) = (old.definition.valueOff, new.definition.valueOff)
    guard !before.hasSameValue(as: after) else { return }
    let what = "everybody else gets \(Self.shown(after)) instead of \(Self.shown(before))"
    joins.append(Part(by: .values, stage: nil, what: what))
    approvals = max(approvals, old.needsOfAll.whole)
  }

  /// A file that lowers what a stage asks for needs the larger number; so does one that leaves the
  /// stage out, or gives it another name.
  private mutating func compareApprovals() {
    for stage in old.stages {
      let now = new.stages.first { $0.name == stage.name }?.approvals ?? 0
      if now < stage.approvals { approvals = max(approvals, stage.approvals) }
    }
  }

  private static func isWider(_ rules: [Rule]?, than others: [Rule]?) -> Bool {
    guard let others else { return false }
    guard let rules else { return true }
    let wider = others.map(RuleExtent.init)
    return !rules.allSatisfy { rule in
      let extent = RuleExtent(rule)
      return wider.contains { extent.isNarrower(than: $0) }
    }
  }

  private static func text(_ rules: [Rule]?) -> String {
    rules.map { Document.array($0.map(\.document)).jsonText } ?? "everybody"
  }

  /// The beginning of a value.
  private static func shown(_ value: Document) -> String {
    let text = value.jsonText
    return text.utf8.count > 80 ? "\(text.prefix(80))…" : text
  }

  /// As deciding compares ids: byte by byte.
  private static func exact(_ users: [String]) -> Set<ExactText> { Set(users.map(ExactText.init)) }

  /// The first few of a list, and how many more.
  private static func listed(_ users: Set<ExactText>) -> String {
    let shown = users.sorted().prefix(3).map(\.text).joined(separator: ", ")
    return users.count > 3 ? "\(shown) and \(users.count - 3) more" : shown
  }
}

/// Whom the stages of a plan reach, and how many approvals it takes to get there.
private struct Reach: Sendable, Equatable {
  /// What stands between a person alone and a stage.
  struct Needs {
    /// The most that any stage up to it asks for, those passed included.
    var whole: Int
    /// The most that any stage still to be passed asks for.
    var ahead: Int
    /// What the stage itself asks for.
    var last: Int

    /// What must be approved when `other` is the way now: the larger number of whatever is lower.
    func lowered(to other: Needs) -> Int {
      max(
        other.whole < whole ? whole : 0, other.ahead < ahead ? ahead : 0,
        other.last < last ? last : 0)
    }
  }

  let definition: PlanDefinition
  /// Index of the stage being served; -1 for none.
  let openTo: Int
  /// Of the rules of each stage.
  let extents: [[RuleExtent]]

  init(_ definition: PlanDefinition, openTo: Int) {
    self.definition = definition
    self.openTo = openTo
    extents = definition.stages.map { $0.audience.rules.map(RuleExtent.init) }
  }

  var stages: [Stage] { definition.stages }

  /// The stages being served.
  var open: [(Int, Stage)] { stages.enumerated().filter { $0.offset <= openTo }.map { $0 } }

  var openShare: Share { open.compactMap(\.1.audience.percent).max() ?? .none }

  func isOpen(_ stage: Int?) -> Bool { stage.map { $0 <= openTo } ?? false }

  func needs(_ stage: Int) -> Needs {
    func most(_ range: Range<Int>) -> Int { stages[range].map(\.approvals).max() ?? 0 }
    return Needs(
      whole: most(0..<stage + 1), ahead: stage > openTo ? most(openTo + 1..<stage + 1) : 0,
      last: stages[stage].approvals)
  }

  var needsOfAll: Needs {
    let most = stages.map(\.approvals).max() ?? 0
    return Needs(whole: most, ahead: most, last: most)
  }

  // MARK: The first stage that includes somebody

  func first(share limit: Int) -> Int? {
    stages.firstIndex { ($0.audience.percent?.thousandths ?? 0) >= limit }
  }

  var everybody: Int? { first(share: Share.all.thousandths) }
  var isOpenToEverybody: Bool { isOpen(everybody) }

  /// Whether a stage up to this one has everybody already.
  func isForEverybody(at stage: Int) -> Bool { everybody.map { $0 <= stage } ?? false }

  func first(rule: RuleExtent) -> Int? {
    earliest(extents.firstIndex { $0.contains { rule.isNarrower(than: $0) } })
  }

  func first(cohort: String) -> Int? {
    earliest(stages.firstIndex { $0.audience.cohort == cohort })
  }

  private func earliest(_ stage: Int?) -> Int? {
    guard let stage, let everybody else { return stage ?? everybody }
    return min(stage, everybody)
  }
}

import DocumentKit
package import RolloutCore

extension PlanDiff {
  /// Of a file for a feature that has no plan yet; `file` is its digest.
  package init(creating definition: PlanDefinition, file: String) {
    self.init(changes: differences(.null, definition.document), joins: 0, leaves: 0, file: file)
  }

  /// Of a file in place of a plan's definition; the stage being served stands at `index` in it.
  package init(_ plan: Plan, to definition: PlanDefinition, index: Int, file: String) {
    let audience = AudienceChange(plan, to: definition, index: index)
    var next = plan
    next.definition = definition
    next.stageIndex = index
    let exposure = Exposure.between(plan, next)
    self.init(
      changes: differences(plan.definition.document, definition.document),
      joins: exposure.joins, leaves: exposure.leaves, audience: audience, file: file,
      approvedBy: Lifecycle.approvers(of: file, plan),
      held: audience.widens && plan.hold?.needsAcknowledgement == true)
  }
}

/// What differs between two documents, by path, in the order of the newer one.
private func differences(_ from: Document, _ to: Document, path: String = "") -> [PlanDiff.Change] {
  if from == to { return [] }
  if let old = from.members, let new = to.members {
    // Values may have thousands of members: looked up, not searched for.
    let before = Dictionary(old.map { ($0.key, $0.value) }) { first, _ in first }
    let after = Dictionary(new.map { ($0.key, $0.value) }) { first, _ in first }
    let keys = new.map(\.key) + old.map(\.key).filter { after[$0] == nil }
    return keys.flatMap { key -> [PlanDiff.Change] in
      let inner = path.isEmpty ? key : "\(path).\(key)"
      guard let a = before[key], let b = after[key] else {
        return [PlanDiff.Change(path: inner, from: before[key], to: after[key])]
      }
      return differences(a, b, path: inner)
    }
  }
  if let old = from.array, let new = to.array, old.count == new.count {
    return zip(old, new).enumerated().flatMap { index, pair in
      differences(pair.0, pair.1, path: "\(path)[\(index)]")
    }
  }
  return [
    PlanDiff.Change(
      path: path.isEmpty ? "plan" : path, from: from.isNull ? nil : from, to: to)
  ]
}

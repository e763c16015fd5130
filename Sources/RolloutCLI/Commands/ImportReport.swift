import DocumentKit
import Glibc
import RolloutCore
import RolloutEvaluation
import RolloutImport
import YAMLKit

/// What becomes of the flags of a file, for people, for programs and as plan files.
struct ImportReport: Sendable {
  let file: FlagFile
  /// Of the file.
  let name: String
  let system: ForeignSystem

  /// Items of a list that are shown; more are counted.
  private static let itemsShown = 3

  // MARK: For people

  func text(_ terminal: Terminal, isApplied: Bool, folder: String?) -> String {
    var lines: [String] = []
    for plan in file.plans {
      lines += self.lines(plan, terminal, isApplied: isApplied) + [""]
    }
    return (lines + terminal.wrapped(clean(sum(isApplied: isApplied, folder: folder)), indent: 0))
      .joined(separator: "\n")
  }

  private func lines(_ plan: ImportedPlan, _ terminal: Terminal, isApplied: Bool) -> [String] {
    let head: (String, Terminal.Style)
    switch plan.reach {
    case _ where plan.definition == nil: head = ("no plan", .red)
    case _ where plan.keepsPeople: head = ("a plan for the same people", .green)
    default: head = ("a plan, not for all of its people", .yellow)
    }
    var lines = terminal.wrapped("\(clean(plan.key)): \(head.0)", indent: 2)
    lines[0] = terminal.style(lines[0], .bold)
    if let why = plan.refusal { lines += terminal.row("  why", clean(why), head.1) }
    if let definition = plan.definition {
      lines += terminal.row("  who", clean(who(definition)))
      lines += terminal.row("  stages", clean(stages(definition)))
      lines += terminal.row("  next", clean(next(plan, definition)), head.1)
    }
    for (effect, title) in [(Remark.Effect.people, "  lost"), (.other, "  note")] {
      var title = title
      for remark in plan.remarks where remark.effect == effect {
        lines += terminal.row(title, clean(told(remark)), effect == .people ? .yellow : nil)
        title = "  "
      }
    }
    return lines
  }

  private func told(_ remark: Remark) -> String {
    let place = remark.position == .unknown ? "" : "line \(remark.position.line), "
    return "\(remark.text) (\(place)\(remark.path))"
  }

  private func who(_ definition: PlanDefinition) -> String {
    guard let first = definition.stages.first, first.name == ImportedPlan.stageName else {
      return "nobody"
    }
    var parts: [String] = []
    let document = definition.document
    let own = document["stages"]?.array?.first?["rules"]?.array ?? []
    if let share = first.audience.percent, share > .none {
      let population = document["eligible"]?.array.map { eligible in
        "those of whom \(rules(eligible.filter { !own.contains($0) }))"
      }
      let draw = "\(system.title)'s hash of \(quoted(definition.population.salt)) and the user's id"
      parts.append(
        share == .all
          ? population ?? "everybody"
          : "\(share.text) of \(population ?? "everybody"), by \(draw)")
    }
    if !own.isEmpty { parts.append("whoever's \(rules(own))") }
    let (on, off) = (definition.population.forceOn, definition.population.forceOff)
    if !on.isEmpty { parts.append("by name \(listed(on, ", "))") }
    let kept = parts.isEmpty ? "nobody" : parts.joined(separator: "; ")
    return off.isEmpty ? kept : "\(kept); never \(listed(off, ", "))"
  }

  private func rules(_ rules: [Document]) -> String { listed(rules.map(DiffWords.rule), ", or ") }

  private func listed(_ items: [String], _ separator: String) -> String {
    let more = items.count - Self.itemsShown
    return items.prefix(Self.itemsShown).joined(separator: separator)
      + (more > 0 ? " and \(more) more" : "")
  }

  private func stages(_ definition: PlanDefinition) -> String {
    definition.stages.map(\.name).joined(separator: ", ")
  }

  private func next(_ plan: ImportedPlan, _ definition: PlanDefinition) -> String {
    let start = "rollout start \(definition.feature)"
    switch plan.reach {
    case .nobody:
      return "nobody has it there: keep the draft until \(start) begins with 5 %"
    case .disabled:
      return "it is switched off there: keep the draft; \(start) would let these in"
    case .everybody: return "\(start) gives it to everybody, as there"
    case .some:
      return plan.keepsPeople
        ? "\(start) gives it to exactly those who have it there"
        : "\(start) gives it to those who have it there, without what is lost below"
    }
  }

  private func sum(isApplied: Bool, folder: String?) -> String {
    let made = file.plans.filter { $0.definition != nil }.count
    let rest = file.plans.count - made
    let plans = "\(made) plan\(made == 1 ? "" : "s")"
    let others = rest > 0 ? "; \(rest) of \(file.plans.count) flags cannot be kept" : ""
    let written = folder.map { "\(plans) written to \($0)\(others)." }
    if isApplied {
      let drafts = made == 1 ? "is made, as a draft" : "are made, as drafts"
      return [written, "\(plans) \(drafts)\(others). Nobody has a feature before you start it."]
        .compactMap { $0 }.joined(separator: " ")
    }
    if let written { return "\(written) Next: rollout plan lint \(folder ?? "")" }
    guard made > 0 else { return "No plan can be made of \(name)." }
    return
      "\(plans) would be made\(others). Nothing was changed: --apply makes drafts of them, and "
      + "--out FOLDER writes files."
  }

  // MARK: For programs

  func document(isApplied: Bool) -> Document {
    .object([
      "system": .string(system.rawValue), "file": .string(name), "applied": .bool(isApplied),
      "plans": .array(file.plans.map(document)),
    ])
  }

  private func document(_ plan: ImportedPlan) -> Document {
    .object([
      "key": .string(plan.key), "path": .string(plan.path),
      "feature": plan.definition.map { .string($0.feature) },
      "refusal": plan.refusal.map { .string($0) },
      "reach": plan.definition.map { _ in .string(plan.reach.rawValue) },
      "keeps_people": .bool(plan.keepsPeople),
      "next": plan.definition.map { .string(next(plan, $0)) },
      "remarks": .array(
        plan.remarks.map { remark in
          .object([
            "effect": .string(remark.effect.rawValue), "text": .string(remark.text),
            "path": .string(remark.path), "line": .int(remark.position.line),
            "column": .int(remark.position.column),
          ])
        }),
      "definition": plan.definition.map(\.document),
    ])
  }

  // MARK: As files

  /// A file for each plan; none where one is there already.
  func write(to folder: String) throws(CLIFailure) {
    let plans = file.plans.compactMap { plan in plan.definition.map { (plan, $0) } }
    guard !plans.isEmpty else {
      throw CLIFailure(.failed, "No plan can be made of these flags, so no file was written.")
    }
    guard mkdir(folder, 0o755) == 0 || errno == EEXIST else {
      throw CLIFailure(
        .failed, "\(folder): \(String(cString: strerror(errno))). Nothing was written.")
    }
    let base = folder.hasSuffix("/") ? folder : "\(folder)/"
    let names = plans.map { "\(base)\($0.1.feature).yaml" }
    if let taken = names.first(where: { access($0, F_OK) == 0 }) {
      throw CLIFailure(
        .failed, "\(taken) is there already. Nothing was written; give a new folder.")
    }
    for (name, (plan, definition)) in zip(names, plans) {
      try InitCommand.write(text(plan, definition), to: name)
    }
  }

  private func text(_ plan: ImportedPlan, _ definition: PlanDefinition) -> String {
    let comments =
      ["From \(system.title), \(plan.path).", next(plan, definition)]
      + plan.remarks.map { "\($0.effect == .people ? "Lost" : "Note"): \(told($0))" }
    return comments.map { "# \(clean($0))\n" }.joined() + YAMLWriter.text(definition.document)
  }
}

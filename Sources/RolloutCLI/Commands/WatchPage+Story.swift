import DocumentKit
import RolloutAPI

/// What the page says in words.
extension WatchPage {
  private var margin: String { "  " }

  // MARK: What is the matter

  /// What happened last, or how it does; at most four lines.
  var sentence: [String] {
    let said = story
    let lines = terminal.wrapped("  \(said.text)", indent: said.indent).prefix(4)
    return lines.map { line in said.style.map { terminal.style(line, $0) } ?? line }
  }

  private var story: (text: String, indent: Int, style: Terminal.Style?) {
    let plan = known.plan
    if let hold = plan.hold.value {
      let what =
        switch hold.cause {
        case "rollback": "stepped back by itself"
        case "alert": "stepped back after an alert"
        default: "held \(Words.hold(hold.cause))"
        }
      let at = LocalTime.brief(hold.since)
      let text = "\(at) \(what): \(Words.reason(hold.reason)) \(failed)"
      return (text, 3 + at.count, Words.isToBeAcknowledged(hold) ? .red : .yellow)
    }
    if ["killed", "paused", "archived"].contains(plan.status),
      let event = known.events.first(where: { $0.type == plan.status })
    {
      let at = LocalTime.brief(event.at)
      let reason = event.reason.isEmpty ? "" : ": \(Words.reason(event.reason))"
      let by = Words.actor(event.actor)
      return ("\(at) \(plan.status) by \(by)\(reason)", 3 + at.count, Self.style(of: plan))
    }
    let word = plan.health.map { clean($0.words) } ?? Words.verdict(known.health.verdict)
    let style: Terminal.Style? =
      Words.isFailing(plan) ? .red : Words.isUnwell(plan) ? .yellow : nil
    return ("\(word): \(Words.reason(known.health.sentence))", 2, style)
  }

  /// `94 × timeout, 15 × empty; nearly all openai gpt-4o.`
  private var failed: String {
    let entries = known.failures?.failures.filter { $0.arm == "treatment" } ?? []
    var (kinds, places, all) = ([String: Int](), [String: Int](), 0)
    for entry in entries {
      kinds[entry.kind, default: 0] = (kinds[entry.kind] ?? 0).adding(entry.count)
      let place = [entry.provider.value, entry.model.value].compactMap(\.self)
      if !place.isEmpty {
        let name = place.joined(separator: " ")
        places[name] = (places[name] ?? 0).adding(entry.count)
      }
      all = all.adding(entry.count)
    }
    guard all > 0 else { return "" }
    let most = kinds.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(3)
    let words = most.map { "\($0.value) × \(clean($0.key.replacing("_", with: " ")))" }
    let worst = places.max { ($0.value, $1.key) < ($1.value, $0.key) }
    let place = worst.flatMap {
      $0.value.multiplied(by: 10) >= all.multiplied(by: 9) ? $0.key : nil
    }
    return words.joined(separator: ", ") + (place.map { "; nearly all \(clean($0))" } ?? "") + "."
  }

  // MARK: Gates

  /// What the next step waits for, in two columns.
  var gates: [String] {
    guard let next = known.plan.next.value, ["advance", "complete"].contains(next.action) else {
      return []
    }
    let name = next.to.map { Words.stage($0, of: known.plan.stages) } ?? "completion"
    guard !next.ready else {
      let command = "rollout \(next.action) \(known.plan.feature)"
      return [margin + terminal.style("✓", .green) + " Ready for \(name): \(command)"]
    }
    let title = "Before \(name.prefix(20)):  "
    let room = columns - margin.count - title.count
    let waiting = next.waitingOn.map { text in
      var gate = Gate(waitingOn: text)
      // The sentence above says it.
      if clean(text) == known.health.sentence {
        let name = text.prefix { $0 != ":" }.replacing("_", with: " ")
        gate.text = "\(name), as above"
      }
      return gate
    }
    .reduce(into: [Gate]()) { gates, gate in
      // Guards that wait for the same are one.
      if !gates.contains(where: { $0.brief == gate.brief }) { gates.append(gate) }
    }
    let passed = Gate.passed(known.plan)
    let isTwo = room >= 48
    let width = isTwo ? room / 2 : room
    var cells = waiting.map { cell([$0], width) }
    if !passed.isEmpty { cells.append(cell(passed, width)) }
    let step = isTwo ? 2 : 1
    let lines = stride(from: 0, to: cells.count, by: step).map { index in
      cells[index..<min(cells.count, index + step)].joined()
    }
    let most = rows < 30 ? 3 : 8
    return lines.prefix(most).enumerated().map { index, line in
      margin + (index == 0 ? title : String(repeating: " ", count: title.count)) + line
    }
  }

  private var columns: Int { terminal.columns }

  private func cell(_ gates: [Gate], _ width: Int) -> String {
    var (line, used) = ("", 0)
    for gate in gates {
      let left = width - used - 4
      guard left > 3 else { break }
      let text = gate.brief
      let shown = text.count > left ? text.prefix(left - 1) + "…" : text
      line += "\(terminal.style(gate.mark, gate.style)) \(shown)"
      used += shown.count + 2
      guard gates.count > 1, used + 3 < width else { break }
      line += "   "
      used += 3
    }
    return line + String(repeating: " ", count: max(0, width - used))
  }

  /// What each guard says, where there is room for it.
  var guards: [String] {
    let said = known.health.guards.flatMap { item -> [String] in
      let style: Terminal.Style? =
        switch item.state {
        case "firing": .red
        case "pending", "investigate": .yellow
        default: nil
        }
      return terminal.wrapped("  \(clean(item.sentence))", indent: 4).map { line in
        style.map { terminal.style(line, $0) } ?? line
      }
    }
    return said.isEmpty ? [] : said + [""]
  }

  // MARK: What happened

  /// The last changes, the latest at the end, in so many lines.
  func happened(_ count: Int) -> [String] {
    guard count > 0 else { return [] }
    // What the sentence is about needs no line of its own.
    let told = known.plan.hold.value?.since
    let events = known.events.filter { $0.type != "rolled_back" || $0.at != told }
    return events.prefix(count).reversed().map { event in
      line(event)
    }
  }

  private func line(_ event: EventView) -> String {
    let text = "\(margin)\(padded(LocalTime.brief(event.at), 6))\(deed(event))"
    return text.count > columns ? String(text.prefix(columns - 1)) + "…" : text
  }

  /// `mira advanced to 50 %: 25 % fine for two days`
  private func deed(_ event: EventView) -> String {
    let stage = Words.stage(event.to.stage, of: known.plan.stages)
    let what =
      switch event.type {
      case "advanced", "restored", "rolled_back": "\(Words.deed(event.type)) to \(stage)"
      case "started", "held": "\(Words.deed(event.type)) at \(stage)"
      default: Words.deed(event.type)
      }
    // Of a file nobody said why, and of words that repeat the deed nobody learns anything.
    let isSaid = event.reason.isEmpty || event.reason == event.type
    let reason = isSaid ? "" : ": \(Words.reason(event.reason))"
    let who = event.actor == "monitor" ? "" : "\(Words.actor(event.actor)) "
    return "\(who)\(what)\(reason)"
  }

  /// All of its history, the latest first, as far as it fits.
  func history(footer: [String]) -> [String] {
    var lines = [terminal.style(known.plan.feature, .bold) + "  what happened", ""]
    for event in known.events where lines.count < rows - footer.count {
      let text = "\(margin)\(padded(LocalTime.brief(event.at), 11))\(deed(event))"
      lines += terminal.wrapped(text, indent: 13)
    }
    lines = Array(lines.prefix(max(1, rows - footer.count - 1)))
    lines += Array(repeating: "", count: max(0, rows - footer.count - lines.count))
    return lines + footer
  }
}

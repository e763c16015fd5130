import DocumentKit
import RolloutAPI

/// `rollout preview FEATURE` without a list: how many each stage has, what another feature has in
/// common with it, and what the next stage costs.
enum PreviewSizes {
  static func run(_ session: Session, _ format: PreviewCommand.Format) async throws {
    var query = PreviewCommand.query(session)
    if let count = session.arguments.value("--population") { query.append(("population", count)) }
    let answer = try await session.send(
      "GET", APIPath.preview(session.operand(0)) + APIPath.query(query))
    let view = try session.decode(PreviewView.self, answer)
    guard !session.printsJSON else { return try session.show(answer) { "" } }
    let records = view.overlap.map { parts($0, of: view.feature) } ?? stages(view)
    switch format {
    case .csv: session.terminal.print(csv(records))
    case .ndjson:
      session.terminal.print(records.map { $0.document.jsonText }.joined(separator: "\n"))
    case .table: session.terminal.print(page(view, session.terminal).joined(separator: "\n"))
    }
  }

  /// One line of a table: a stage, or a part of two features' users.
  private struct Record {
    /// `stage`, or `who`.
    var kind: String
    var name: String
    var per100000: Int
    var named: Int
    var users: EstimateView?

    var document: Document {
      .object([
        kind: .string(name), "per_100000": .int(per100000), "named": .int(named),
        "users": users.map { .int($0.about) }, "low": users.map { .int($0.low) },
        "high": users.map { .int($0.high) },
      ])
    }
  }

  private static func stages(_ view: PreviewView) -> [Record] {
    view.sizes.map {
      Record(
        kind: "stage", name: $0.stage, per100000: $0.per100000, named: $0.named, users: $0.users)
    }
  }

  private static func parts(_ overlap: OverlapView, of feature: String) -> [Record] {
    [
      ("both", overlap.both), ("only \(feature)", overlap.only),
      ("only \(overlap.feature)", overlap.onlyOther), ("neither", overlap.neither),
    ].map { name, part in
      Record(
        kind: "who", name: name, per100000: part.per100000, named: part.named, users: part.users)
    }
  }

  private static func csv(_ records: [Record]) -> String {
    let head = "\(records.first?.kind ?? "stage"),per_100000,named,users,low,high"
    let lines = records.map { record in
      let users = record.users.map { "\($0.about),\($0.low),\($0.high)" } ?? ",,"
      return "\(PreviewCommand.cell(record.name)),\(record.per100000),\(record.named),\(users)"
    }
    return ([head] + lines).joined(separator: "\n")
  }

  // MARK: For people

  private static func page(_ view: PreviewView, _ terminal: Terminal) -> [String] {
    var lines = grid("STAGE", stages(view), terminal, marked: view.stage) + [""]
    if let population = view.population {
      lines += terminal.row(
        "users",
        "\(words(population.about, population.low, population.high)), "
          + clean(population.sentence))
    } else if let why = view.populationUnknown {
      lines += terminal.row("users", "unknown: \(clean(why)); --population N says how many")
    }
    lines += terminal.row(
      "change",
      "at \(clean(view.stage)), of 100,000 users \(people(view.joinsPer100000)) join and "
        + "\(people(view.leavesPer100000)) leave by percentage")
    for note in view.notes { lines += terminal.row("", clean(note), .dim) }
    lines += cost(view, terminal)
    guard let overlap = view.overlap else { return lines }
    lines += [""]
    lines += terminal.wrapped(
      "\(clean(view.feature)) at \(clean(view.stage)), with \(clean(overlap.feature)) at "
        + "\(clean(overlap.stage)): \(clean(overlap.sentence)).", indent: 0)
    return lines + grid("WHO HAS", parts(overlap, of: view.feature), terminal)
  }

  private static func grid(
    _ title: String, _ records: [Record], _ terminal: Terminal, marked: String? = nil
  ) -> [String] {
    let columns = [
      Grid.Column(title, widthMin: 16), .init("SHARE", isRight: true),
      .init("BY NAME", isRight: true), .init("USERS", isRight: true), .init("95 % WITHIN"),
    ]
    let rows = records.map { record in
      let range = record.users.map {
        "\(Figures.about(Double($0.low)))–\(Figures.about(Double($0.high)))"
      }
      return [
        Grid.Cell(record.name, record.name == marked ? .cyan : nil),
        .init("\(shortestText(of: Double(record.per100000) / 1000)) %"),
        .init(record.named == 0 ? Figures.none : Figures.about(Double(record.named))),
        .init(record.users.map { Figures.about(Double($0.about)) } ?? Figures.none),
        .init(range ?? Figures.none, .dim),
      ]
    }
    return Grid(columns: columns, rows: rows).lines(terminal)
  }

  private static func cost(_ view: PreviewView, _ terminal: Terminal) -> [String] {
    guard let projection = view.projection else {
      return terminal.row("cost", "unknown: \(clean(view.projectionUnknown ?? "not measured"))")
    }
    var lines = terminal.row("cost", clean(projection.sentence))
    for budget in projection.budgets ?? [] {
      lines += terminal.item(clean(budget.sentence), mark: "·")
    }
    for gate in projection.exceeded { lines += terminal.item(clean(gate), .red, mark: "✗") }
    return lines + terminal.row("", clean(projection.assumes ?? ""), .dim)
  }

  static func words(_ about: Int, _ low: Int, _ high: Int) -> String {
    let value = Figures.about(Double(about))
    guard low != high else { return value }
    return "about \(value) (\(Figures.about(Double(low)))–\(Figures.about(Double(high))))"
  }

  private static func people(_ count: Int) -> String {
    count == 0 ? "none" : Figures.about(Double(count))
  }
}

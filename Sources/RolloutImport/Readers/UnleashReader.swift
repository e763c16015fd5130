import DocumentKit
import RolloutCore
import RolloutEvaluation

/// Reads what Unleash exports, and what its client API answers.
///
/// Source: Unleash/unleash src/lib/openapi/spec/{export-result,client-features}-schema.ts.
enum UnleashReader {
  static func flags(
    _ document: Document, _ settings: ImportSettings
  ) throws(DocumentError) -> [ForeignFlag] {
    guard let features = document["features"]?.array else {
      throw DocumentError(
        "This is neither an export of Unleash nor its client features: a list \"features\" is "
          + "missing.", at: document.position)
    }
    try ForeignFlag.checkCount(features.count, document)
    let environment = try environment(document, settings)
    var flags: [ForeignFlag] = []
    var names: Set<String> = []
    for (index, feature) in features.enumerated() {
      let path = "features[\(index)]"
      guard let name = feature["name"]?.string else {
        throw DocumentError("A feature has no name.", at: feature.position, path: path)
      }
      guard names.insert(name).inserted else {
        throw DocumentError(
          "Two features are named \(quoted(name)).", at: feature.position, path: path)
      }
      flags.append(UnleashFlag(name, feature, path, document, environment, settings).flag)
    }
    return flags
  }

  /// The one environment that is meant; nil where the file names none.
  private static func environment(
    _ document: Document, _ settings: ImportSettings
  ) throws(DocumentError) -> String? {
    let entries = document["featureEnvironments"]?.array ?? []
    let names = Set(entries.compactMap { $0["environment"]?.string }).sorted()
    let list = names.map(quoted).joined(separator: ", ")
    if let wanted = settings.environment {
      guard names.isEmpty || names.contains(wanted) else {
        throw DocumentError(
          "The file has no environment \(quoted(wanted)); there are \(list).",
          at: document.position)
      }
      return wanted
    }
    guard names.count <= 1 else {
      throw DocumentError(
        "The file is of several environments; choose one with --environment: \(list).",
        at: document.position)
    }
    return names.first
  }
}

/// One feature of a file.
private struct UnleashFlag {
  private(set) var flag: ForeignFlag
  private let constraints: UnleashConstraints

  init(
    _ name: String, _ feature: Document, _ path: String, _ file: Document, _ environment: String?,
    _ settings: ImportSettings
  ) {
    flag = ForeignFlag(name, of: .unleash, path: path, position: feature.position)
    flag.description = feature["description"]?.string ?? ""
    constraints = UnleashConstraints(file, settings)
    func isHere(_ entry: Document) -> Bool {
      entry["featureName"]?.string == name
        && (environment == nil || entry["environment"]?.string ?? environment == environment)
    }
    let isExport = feature["strategies"] == nil && file["featureStrategies"] != nil
    let settingsHere = file["featureEnvironments"]?.array?.first(where: isHere)
    flag.isEnabled = (isExport ? settingsHere ?? feature : feature)["enabled"]?.bool ?? false
    var strategies: [(Document, String)] = []
    let all = isExport ? file["featureStrategies"] : feature["strategies"]
    guard let list = Literals.list(all) else {
      flag.refusal = "its strategies are no list"
      return
    }
    for (index, entry) in list.enumerated() where !isExport || isHere(entry) {
      strategies.append(
        (entry, isExport ? "featureStrategies[\(index)]" : "\(path).strategies[\(index)]"))
    }
    refuse(feature, file)
    noteRest(feature, settingsHere, path)
    read(strategies)
  }

  private mutating func refuse(_ feature: Document, _ file: Document) {
    let inFile = file["dependencies"]?.array?.first { $0["feature"]?.string == flag.key }
    let parents = feature["dependencies"]?.array ?? inFile?["dependencies"]?.array ?? []
    if let parent = parents.first {
      flag.refusal =
        "it depends on \(quoted(parent["feature"]?.string ?? "another feature")), and a plan on no "
        + "other; take the dependency away there first"
    }
    if feature["archived"]?.bool == true { flag.refusal = "it is archived there" }
  }

  private mutating func noteRest(_ feature: Document, _ settings: Document?, _ path: String) {
    for variants in [feature["variants"], settings?["variants"]] {
      guard let count = variants?.array?.count, count > 0 else { continue }
      flag.lose(
        .other, "\(count) variant\(count == 1 ? "" : "s"): a plan keeps on and off only",
        "\(path).variants", variants)
    }
  }

  private mutating func read(_ strategies: [(Document, String)]) {
    var live = 0
    for (strategy, path) in strategies {
      guard strategy["disabled"]?.bool != true else {
        flag.lose(.other, "a strategy that is switched off is left out", path, strategy)
        continue
      }
      live += 1
      read(strategy, path)
    }
    // Without any strategy a feature is on for everybody, with none that is on for nobody.
    if strategies.isEmpty { flag.rules.append(FlagRule(.always, .on)) }
    if live == 0, !strategies.isEmpty {
      flag.lose(.other, "all its strategies are switched off, so nobody has it", flag.path, nil)
    }
  }

  private mutating func read(_ strategy: Document, _ path: String) {
    var parts: [Condition] = []
    let (listed, segments) = (
      Literals.list(strategy["constraints"]), Literals.list(strategy["segments"])
    )
    if listed == nil || segments == nil {
      parts.append(flag.unknown("its constraints or segments are no list", path, strategy))
    }
    for (index, constraint) in (listed ?? []).enumerated() {
      parts.append(
        constraints.condition(constraint, "\(path).constraints[\(index)]", &flag))
    }
    for segment in segments ?? [] {
      parts.append(constraints.segment(segment, "\(path).segments", &flag))
    }
    if let variants = strategy["variants"]?.array, !variants.isEmpty {
      flag.lose(
        .other, "variants of a strategy: a plan keeps on and off only", "\(path).variants",
        strategy)
    }
    let parameters = strategy["parameters"] ?? .null
    let (who, outcome) = decision(strategy["name"]?.string ?? "", parameters, path)
    parts.append(who)
    let kept = parts.filter { $0 != .always }
    // Any strategy lets in, and none keeps out.
    flag.rules.append(
      FlagRule(
        kept.isEmpty ? .always : kept.count == 1 ? kept[0] : .all(kept), outcome,
        isOpenEnded: true))
  }

  // MARK: Strategies

  private mutating func decision(
    _ name: String, _ parameters: Document, _ path: String
  ) -> (Condition, FlagRule.Outcome) {
    let place = "\(path).parameters"
    switch name {
    case "default": return (.always, .on)
    case "userWithId":
      let ids = (parameters["userIds"]?.scalarText ?? "").split(separator: ",")
        .map { trimmed($0) }.filter { !$0.isEmpty }
      return (ids.isEmpty ? .never : .users(ids), .on)
    case "flexibleRollout":
      return flexible(parameters, place)
    case "gradualRolloutUserId":
      let group = parameters["groupId"]?.scalarText ?? ""
      guard let share = share(parameters["percentage"], group, place) else {
        return (.unknown, .on)
      }
      if share == .on {
        flag.lose(.other, "who has no user id is out there, and in here", place, parameters)
      }
      return (.always, share)
    default:
      let why =
        name.hasPrefix("gradualRollout")
        ? "the strategy \(name) does not go by the user's id"
        : "the strategy \(quoted(name)) has no counterpart"
      return (flag.unknown(why, path, parameters), .on)
    }
  }

  private mutating func flexible(
    _ parameters: Document, _ path: String
  ) -> (Condition, FlagRule.Outcome) {
    let group = parameters["groupId"]?.scalarText ?? ""
    guard let share = share(parameters["rollout"], group.isEmpty ? flag.key : group, path) else {
      return (.unknown, .on)
    }
    // Everybody and nobody are no matter of what is hashed.
    guard case .drawn(let draw) = share, draw.share > .none else { return (.always, share) }
    switch parameters["stickiness"]?.scalarText ?? "default" {
    case constraints.userName: break
    case "", "default":
      flag.lose(
        .other, "who has no user id is drawn by session or by chance there; here an id is needed",
        path, parameters)
    case let other:
      return (
        flag.unknown(
          "it draws by \(quoted(other)) and not by \(constraints.userName)"
            + (other == "random"
              ? "" : "; where your apps send that as the user's id, say so with --user"),
          path, parameters), .on
      )
    }
    return (.always, share)
  }

  /// nil, and noted, for what is no number.
  private mutating func share(
    _ percent: Document?, _ group: String, _ path: String
  ) -> FlagRule.Outcome? {
    guard let text = percent?.scalarText, let number = Double(trimmed(text)), number.isFinite
    else {
      flag.lose(.people, "its share is no number", path, percent)
      return nil
    }
    // It compares whole numbers from 1 to 100 with the share.
    let whole = Int(min(max(number, 0), 100))
    if whole == 0 { return .drawn(Draw(.unleash, salt: group, share: .none)) }
    return whole == 100 ? .on : .drawn(Draw(.unleash, salt: group, share: .percent(whole)))
  }
}

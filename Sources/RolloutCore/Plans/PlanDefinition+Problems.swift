package import DocumentKit

extension PlanDefinition {
  /// Everything that is wrong with a plan file, in the order of its lines; empty for one that can
  /// be applied.
  ///
  /// The reader stops at the first error, so each is mended in a copy, and that is read again. What
  /// is only wrong because of the mending is left out.
  package static func problems(of document: Document) -> [DocumentError] {
    var mending = Mending(document)
    // Each error costs a reading; nobody reads more of them.
    for _ in 0..<Mending.problemsMax {
      do throws(DocumentError) {
        try PlanDefinition(mending.document).checkRuleCost()
        break
      } catch {
        guard mending.mend(error) else { break }
      }
    }
    return mending.found.enumerated().sorted { a, b in
      (a.element.position.line, a.element.position.column, a.offset)
        < (b.element.position.line, b.element.position.column, b.offset)
    }.map(\.element)
  }
}

/// A plan file whose errors are taken out of it one by one.
private struct Mending {
  static let problemsMax = 200

  private(set) var document: Document
  private(set) var found: [DocumentError] = []
  /// Where a value was taken out; what then misses it there is no error of the file.
  private var holes: Set<String> = []
  private var count = 0

  init(_ document: Document) { self.document = document }

  /// Takes the error out; false when nothing can be read on.
  mutating func mend(_ error: DocumentError) -> Bool {
    count += 1
    if !follows(error), !found.contains(error) { found.append(error) }
    guard var path = Self.steps(error.path) else { return false }
    if let key = unknownKey(error, path) {
      return change(path) { $0.remove(key) }
    }
    if error.message.hasSuffix(" is missing."), let key = Self.quotedWord(error.message) {
      let value = stand(for: key, in: node(path))
      return change(path) { $0.set(key, value) }
    }
    if error.message.hasPrefix("A guard needs a metric") {
      let value = stand(for: "metric", in: node(path))
      return change(path) { $0.set("metric", value) }
    }
    guard let last = path.popLast() else { return false }
    switch last {
    case .key(let key): return mend(key, in: path)
    case .index(let index):
      let new = element(of: path)
      return change(path) { list in
        guard var elements = list.array, elements.indices.contains(index) else { return }
        elements[index] = new
        list.value = .array(elements)
      }
    }
  }

  /// Whether it is only there because something was taken out.
  private func follows(_ error: DocumentError) -> Bool {
    guard !error.message.hasPrefix("Unknown key ") else { return false }
    if holes.contains(error.path) { return true }
    guard error.message.hasSuffix(" is missing."), let key = Self.quotedWord(error.message) else {
      return false
    }
    return found.contains {
      $0.path == error.path && $0.message.hasSuffix("did you mean \(quoted(key))?")
    }
  }

  private mutating func mend(_ key: String, in path: [Step]) -> Bool {
    let owner = node(path)
    let value = owner?[key]
    let bounds = ["stages": PlanDefinition.stageCountMax, "guards": Guard.countMax]
    if let most = bounds[key], path.isEmpty, let list = value?.array, list.count > most {
      return change(path) { $0.set(key, .array(Array(list.prefix(most)))) }
    }
    guard Self.needed.contains(key), !(key == "metric" && owner?["prometheus"] != nil) else {
      holes.insert(Self.text(path))
      return change(path) { $0.remove(key) }
    }
    let new = stand(for: key, in: owner)
    return change(path) { $0.set(key, new) }
  }

  // MARK: What stands in

  /// Keys that something stands in for; others are left out.
  private static let needed: Set<String> = [
    "feature", "name", "attribute", "metric", "max", "content", "zone",
  ]

  /// A right value of a key; `owner` is what it stands in.
  private func stand(for key: String, in owner: Document?) -> Document {
    switch key {
    case "metric": .string(Self.metric(for: owner?["max"]?.scalarText ?? ""))
    case "max": .string(Self.limit(of: owner))
    case "on": .bool(true)
    case "off": .bool(false)
    default: .string("mended-\(count)")
    }
  }

  private static func metric(for limit: String) -> String {
    if TimeSpan(limit) != nil { return "latency_p95" }
    if limit.hasPrefix("$") { return "cost_per_request" }
    return limit.hasSuffix("%") ? "error_rate" : "tokens_per_request"
  }

  private static func limit(of owner: Document?) -> String {
    guard owner?["prometheus"] == nil else { return "1" }
    let metric = owner?["metric"]?.scalarText ?? ""
    if metric.hasPrefix("latency") { return "5s" }
    if metric == "cost_per_request" { return "$1" }
    return metric == "tokens_per_request" ? "1000" : "99.999%"
  }

  /// An element of the list at `path`.
  private func element(of path: [Step]) -> Document {
    let name = Document.string("mended-\(count)")
    switch path.last {
    case .key("stages"): return .object(["name": name, "cohort": name])
    case .key("rules"), .key("eligible"), .key("all"):
      return .object(["attribute": name, "exists": .bool(true)])
    case .key("guards"):
      return .object(["metric": .string("error_rate"), "max": .string("5%")])
    case .key("hours"): return .object(["zone": .string("UTC")])
    default: return name
    }
  }

  // MARK: Places

  private enum Step {
    case key(String)
    case index(Int)
  }

  /// `stages[1].rules[0].attribute`; nil for what has another form.
  private static func steps(_ path: String) -> [Step]? {
    var steps: [Step] = []
    for part in path.split(separator: ".") {
      let pieces = part.split(separator: "[")
      guard let key = pieces.first else { return nil }
      steps.append(.key(String(key)))
      for piece in pieces.dropFirst() {
        guard piece.hasSuffix("]"), let index = Int(piece.dropLast()) else { return nil }
        steps.append(.index(index))
      }
    }
    return steps
  }

  private static func text(_ steps: [Step]) -> String {
    var text = ""
    for step in steps {
      switch step {
      case .key(let key): text += text.isEmpty ? key : ".\(key)"
      case .index(let index): text += "[\(index)]"
      }
    }
    return text
  }

  private func node(_ steps: [Step]) -> Document? {
    var node: Document? = document
    for step in steps {
      switch step {
      case .key(let key): node = node?[key]
      case .index(let index):
        let list = node?.array ?? []
        node = list.indices.contains(index) ? list[index] : nil
      }
    }
    return node
  }

  /// Changes what stands at `steps`; false where nothing does, or nothing became another.
  private mutating func change(_ steps: [Step], _ body: (inout Document) -> Void) -> Bool {
    let before = document
    Self.change(&document, steps[...], body)
    return document != before
  }

  private static func change(
    _ node: inout Document, _ steps: ArraySlice<Step>, _ body: (inout Document) -> Void
  ) {
    guard let first = steps.first else { return body(&node) }
    switch first {
    case .key(let key):
      guard var inner = node[key] else { return }
      change(&inner, steps.dropFirst(), body)
      node.set(key, inner)
    case .index(let index):
      guard var list = node.array, list.indices.contains(index) else { return }
      change(&list[index], steps.dropFirst(), body)
      node.value = .array(list)
    }
  }

  /// The key that nobody knows, where that is the error.
  private func unknownKey(_ error: DocumentError, _ path: [Step]) -> String? {
    guard error.message.hasPrefix("Unknown key ") else { return nil }
    let members = node(path)?.members ?? []
    return members.first {
      $0.keyPosition == error.position && error.message.hasPrefix("Unknown key \(quoted($0.key));")
    }?.key
  }

  private static func quotedWord(_ message: String) -> String? {
    let parts = message.split(separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
    return parts.count == 3 ? String(parts[1]) : nil
  }
}

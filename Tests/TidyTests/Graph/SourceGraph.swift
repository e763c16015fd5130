/// Who uses what between files and folders. Swift has no imports between files, so the graph is
/// read from definitions and uses.
///
/// A name in another file is resolved to a type or function at the top of a file, to a nested type
/// by its outer one, and to a member when all its definitions that can be seen stand in one file
/// (for edges of files) or one folder (for those of folders). What only a type checker could resolve
/// is left out: the graph has too few edges rather than wrong ones.
struct SourceGraph {
  struct Folder: Hashable, Comparable, CustomStringConvertible {
    var target: String
    var name: String
    var description: String { "\(target)/\(name)" }
    static func < (a: Folder, b: Folder) -> Bool { a.description < b.description }
  }

  struct Edge<Node: Hashable & Sendable>: Hashable, Sendable {
    var from: Node
    var to: Node
  }

  let files: [SourceFile]
  /// The names behind each use of a file by another of the same or another target, by paths.
  private(set) var fileEdges: [Edge<String>: Set<String>] = [:]
  private(set) var folderEdges: [Edge<Folder>: Set<String>] = [:]
  /// How often each name stands in the sources.
  private(set) var mentions: [String: Int] = [:]

  private var top: [String: [Definition]] = [:]
  private var nested: [String: [Definition]] = [:]
  private var members: [String: [Definition]] = [:]

  /// Names of the standard library and the language that a member of ours may share.
  private static let common: Set<String> = Set(
    """
    count first last isEmpty map flatMap compactMap filter reduce forEach sorted sort append insert
    remove removeAll removeFirst removeLast popFirst popLast contains index indices startIndex
    endIndex keys values key value min max init self description hash hashValue rawValue allCases
    zip enumerated reversed joined split prefix suffix dropFirst dropLast starts hasPrefix hasSuffix
    uppercased lowercased utf8 utf16 unicodeScalars characters withLock load store exchange add
    subtract cancel isCancelled resume yield next none some success failure get set print write read
    close open wait run start stop end name text type id kind data body status code message error
    position path bytes array string int double bool object null number document buffer base span
    capacity reserve reserveCapacity withUnsafeBytes withUnsafeBufferPointer baseAddress pointee
    advanced distance elementsEqual allSatisfy firstIndex lastIndex replacing replace trimming union
    intersection subtracting isDisjoint isSubset formUnion update updateValue mapValues merge merging
    offset element lhs rhs top bottom left right size now at to from of in on off all any request
    response headers head method query url host port line column number fields format state result
    results stage plan feature user reason version limit model provider usage isFinite high low small
    """.split { $0 == " " || $0 == "\n" }.map(String.init))

  init(_ files: [SourceFile]) {
    self.files = files
    for definition in files.flatMap(\.definitions) {
      guard !definition.owner.isEmpty else {
        top[definition.name, default: []].append(definition)
        continue
      }
      if definition.kind == .type || definition.kind == .alias {
        let outer = definition.owner.split(separator: ".").last.map(String.init) ?? ""
        nested["\(outer).\(definition.name)", default: []].append(definition)
      }
      members[definition.name, default: []].append(definition)
    }
    for file in files {
      for token in file.tokens where token.kind == .name { mentions[token.text, default: 0] += 1 }
      resolve(file)
    }
  }

  // MARK: Resolving

  private func visible(_ definitions: [Definition]?, from file: SourceFile) -> [Definition] {
    (definitions ?? []).filter { definition in
      let target = definition.file.target
      return definition.file !== file && !definition.isPrivate
        && (target == file.target || file.imports.contains(target))
    }
  }

  /// Names bound inside the file, such as parameters: they must not look like functions of others.
  private func bound(_ file: SourceFile) -> Set<String> {
    var bound: Set<String> = []
    for (index, token) in file.tokens.enumerated() where token.kind == .name {
      if index > 0,
        ["let", "var", "func", "for", "case", "_"].contains(file.tokens[index - 1].text)
      {
        bound.insert(token.text)
      }
      if index + 1 < file.tokens.count, file.tokens[index + 1].text == ":",
        token.text.first?.isLowercase == true
      {
        bound.insert(token.text)
      }
    }
    return bound
  }

  private mutating func resolve(_ file: SourceFile) {
    let ownTop = Set(file.definitions.filter(\.owner.isEmpty).map(\.name))
    let ownMembers = Set(file.definitions.filter { !$0.owner.isEmpty }.map(\.name))
    let bound = bound(file)
    for (index, token) in file.tokens.enumerated() where token.kind == .name {
      let name = token.text
      let isType = name.first?.isUppercase == true
      if index > 0, file.tokens[index - 1].text == "." {
        member(name, isType: isType, index, file, ownMembers)
      } else if isType {
        guard !ownTop.contains(name) else { continue }
        var found = visible(top[name], from: file)
        for outer in file.extended where found.isEmpty {
          let last = outer.split(separator: ".").last.map(String.init) ?? outer
          found = visible(nested["\(last).\(name)"], from: file)
        }
        note(file, name, found)
      } else if !ownTop.contains(name), !Self.common.contains(name), !ownMembers.contains(name) {
        let isCall = index + 1 < file.tokens.count && file.tokens[index + 1].text == "("
        guard isCall || !bound.contains(name) else { continue }
        note(
          file, name,
          visible(top[name], from: file).filter { $0.kind == .function || $0.kind == .property })
      }
    }
  }

  private mutating func member(
    _ name: String, isType: Bool, _ index: Int, _ file: SourceFile, _ own: Set<String>
  ) {
    let before = index > 1 ? file.tokens[index - 2] : nil
    let outer = before?.kind == .name ? before?.text : nil
    if isType {
      guard let outer else { return }
      return note(file, "\(outer).\(name)", visible(nested["\(outer).\(name)"], from: file))
    }
    guard !Self.common.contains(name), !own.contains(name) else { return }
    var found = visible(members[name], from: file)
    // Of one owner where it is said: `Digest.random`.
    if let outer, outer.first?.isUppercase == true {
      found = found.filter { $0.owner == outer || $0.owner.hasSuffix(".\(outer)") }
    }
    note(file, ".\(name)", found)
  }

  private mutating func note(_ file: SourceFile, _ name: String, _ found: [Definition]) {
    guard let first = found.first else { return }
    if found.allSatisfy({ $0.file === first.file }) {
      fileEdges[Edge(from: file.path, to: first.file.path), default: []].insert(name)
    }
    let places = Set(found.map { Folder(target: $0.file.target, name: $0.file.folder) })
    let own = Folder(target: file.target, name: file.folder)
    if places.count == 1, let place = places.first, place != own {
      folderEdges[Edge(from: own, to: place), default: []].insert(name)
    }
  }

  // MARK: Rules

  /// Uses of a folder by one that stands below it, as `from → to: names`, and folders that have no
  /// place in the order. `order` goes from the lowest to the highest.
  func upward(_ target: String, _ order: [String]) -> [String] {
    let place = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
    let homeless = Set(files.filter { $0.target == target }.map(\.folder))
      .filter { place[$0] == nil }.map { "\($0) has no place in the order of \(target)" }
    let edges = folderEdges.filter { edge, _ in
      guard edge.from.target == target, edge.to.target == target,
        let from = place[edge.from.name], let to = place[edge.to.name]
      else { return false }
      return from < to
    }
    return homeless.sorted()
      + edges.map { "\($0.from) → \($0.to.name): \($1.sorted().joined(separator: ", "))" }.sorted()
  }

  /// Folders of a target that use each other in a circle.
  func circles(_ target: String) -> [[String]] {
    let nodes = Set(files.filter { $0.target == target }.map(\.folder))
    var reach: [String: Set<String>] = [:]
    for node in nodes {
      var seen: Set<String> = []
      var open = [node]
      while let next = open.popLast() {
        for edge in folderEdges.keys
        where edge.from == Folder(target: target, name: next) && edge.to.target == target {
          if seen.insert(edge.to.name).inserted { open.append(edge.to.name) }
        }
      }
      reach[node] = seen
    }
    var circles: Set<[String]> = []
    for node in nodes where reach[node]?.contains(node) == true {
      circles.insert(
        nodes.filter { reach[node]?.contains($0) == true && reach[$0]?.contains(node) == true }
          .sorted())
    }
    return circles.sorted { $0.description < $1.description }
  }

  /// How many files of its target each file needs, directly or through others, by path.
  func closures() -> [String: Int] {
    var uses: [String: [String]] = [:]
    for edge in fileEdges.keys { uses[edge.from, default: []].append(edge.to) }
    return Dictionary(
      uniqueKeysWithValues: files.map { file in
        var seen: Set<String> = [file.path]
        var open = [file.path]
        while let next = open.popLast() {
          for used in uses[next] ?? [] where seen.insert(used).inserted { open.append(used) }
        }
        return (file.path, seen.count - 1)
      })
  }

  /// Definitions whose name stands nowhere but where things of that name are defined. `others` are
  /// the names that tests, benchmarks and fuzzers mention.
  func unused(butFor others: Set<String>) -> [Definition] {
    let all = files.flatMap(\.definitions)
    var made: [String: Int] = [:]
    for definition in all { made[definition.name, default: 0] += 1 }
    let required = Set(all.filter(\.isRequirement).map(\.name))
    return all.filter { definition in
      definition.kind != .initializer && !definition.isRequirement && !definition.isEntryPoint
        && !required.contains(definition.name) && !Self.witnesses.contains(definition.name)
        && definition.name.first.map { $0.isLetter || $0 == "_" } == true
        && (mentions[definition.name] ?? 0) <= (made[definition.name] ?? 0)
        && !others.contains(definition.name)
    }
  }

  /// What protocols of the standard library ask for.
  private static let witnesses: Set<String> = [
    "main", "encode", "decode", "decodeNil", "superEncoder", "superDecoder", "allKeys",
    "nestedContainer", "nestedUnkeyedContainer", "codingPath", "userInfo", "description", "hash",
    "count", "isAtEnd", "currentIndex", "enqueue", "CodingKeys", "callAsFunction", "appendLiteral",
    "appendInterpolation",
  ]

  /// Types at the top of a file whose name another target has, too, with those targets.
  func sharedTypeNames() -> [String: [String]] {
    var targets: [String: Set<String>] = [:]
    for definition in files.flatMap(\.definitions)
    where definition.kind == .type && definition.owner.isEmpty && !definition.isPrivate {
      targets[definition.name, default: []].insert(definition.file.target)
    }
    return targets.filter { $0.value.count > 1 }.mapValues { $0.sorted() }
  }
}

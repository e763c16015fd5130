/// A type, function, property or case that a source defines.
final class Definition {
  enum Kind: String {
    case type, function, initializer, property, enumCase, alias
  }

  let name: String
  let kind: Kind
  /// The types around it, with dots; empty at the top of a file.
  let owner: String
  unowned let file: SourceFile
  let line: Int
  /// The line of its closing brace; `line` without a body.
  var end: Int
  let access: String
  /// A requirement of a protocol, which others implement.
  let isRequirement: Bool
  /// Marked `@main`: the program begins there.
  var isEntryPoint = false

  init(
    _ name: String, _ kind: Kind, owner: String, _ file: SourceFile, line: Int, access: String,
    isRequirement: Bool
  ) {
    self.name = name
    self.kind = kind
    self.owner = owner
    self.file = file
    self.line = line
    end = line
    self.access = access
    self.isRequirement = isRequirement
  }

  var isPrivate: Bool { access == "private" || access == "fileprivate" }
  var lines: Int { end - line + 1 }
  var full: String { owner.isEmpty ? name : "\(owner).\(name)" }
}

/// A source with its tokens and what it defines.
final class SourceFile {
  let path: String
  let target: String
  /// The folder below the target; `.` for none.
  let folder: String
  let tokens: [SwiftTokens.Token]
  let imports: Set<String>
  private(set) var definitions: [Definition] = []
  /// Types that it extends.
  private(set) var extended: Set<String> = []

  private static let typeWords: Set<String> = ["struct", "class", "enum", "actor", "protocol"]
  private static let modifiers: Set<String> = [
    "public", "package", "internal", "private", "fileprivate", "open", "static", "final", "lazy",
    "mutating", "nonmutating", "override", "convenience", "required", "indirect", "weak",
    "unowned", "nonisolated", "isolated", "consuming", "borrowing", "dynamic", "optional",
    "async", "prefix", "postfix", "infix", "unsafe", "sending",
  ]

  private struct Scope {
    enum Kind { case block, type, function }
    var kind = Kind.block
    var name = ""
    var isProtocol = false
    var access = "internal"
    var definition: Definition?
  }

  private var scopes: [Scope] = []
  /// What the next brace opens.
  private var pending: Scope?

  /// `path` is below the root: `Sources/Target/Folder/File.swift`.
  init(_ path: String, _ text: String) {
    self.path = path
    let parts = path.split(separator: "/").map(String.init)
    target = parts.count > 1 ? parts[1] : ""
    folder = parts.count > 3 ? parts[2] : "."
    let tokens = SwiftTokens.of(text)
    self.tokens = tokens
    imports = Set(
      zip(tokens, tokens.dropFirst()).filter { $0.0.text == "import" }.map { $0.1.text })
    parse()
    scopes = []
  }

  private func text(_ index: Int) -> String {
    tokens.indices.contains(index) ? tokens[index].text : ""
  }

  private func isName(_ index: Int) -> Bool {
    tokens.indices.contains(index) && tokens[index].kind == .name
  }

  private var owner: String {
    scopes.filter { $0.kind == .type }.map(\.name).joined(separator: ".")
  }

  private var isAtDeclarations: Bool { scopes.last.map { $0.kind == .type } ?? true }

  /// The access of the declaration whose keyword stands at `index`.
  private func access(_ index: Int) -> String {
    if let outer = scopes.last(where: { $0.kind == .type && $0.access.hasSuffix("private") }) {
      return outer.access
    }
    var found = "internal"
    var place = index - 1
    while place >= 0 {
      if text(place) == ")" {
        while place >= 0, text(place) != "(" { place -= 1 }
        place -= 1
        // `private(set)` is no access of the getter.
        if text(place).hasSuffix("private"), text(place + 2) == "set" { place -= 1 }
        continue
      }
      guard Self.modifiers.contains(text(place)) else { break }
      if ["public", "package", "private", "fileprivate", "open"].contains(text(place)) {
        found = text(place)
      }
      place -= 1
    }
    return found
  }

  @discardableResult
  private func define(_ name: String, _ kind: Definition.Kind, at index: Int) -> Definition {
    let definition = Definition(
      name, kind, owner: owner, self, line: tokens[index].line, access: access(index),
      isRequirement: scopes.last?.isProtocol == true)
    definitions.append(definition)
    return definition
  }

  private func parse() {
    var index = 0
    while index < tokens.count {
      switch text(index) {
      case "{":
        scopes.append(pending ?? Scope())
        pending = nil
        index += 1
      case "}":
        if let closed = scopes.popLast() { closed.definition?.end = tokens[index].line }
        index += 1
      default:
        index = isName(index) && text(index - 1) != "." ? declaration(index) : index + 1
      }
    }
  }

  /// Reads a declaration if one begins here; returns where to go on.
  private func declaration(_ index: Int) -> Int {
    let word = text(index)
    if Self.typeWords.contains(word), isName(index + 1),
      !["func", "var", "let", "init", "subscript"].contains(text(index + 1))
    {
      let definition = define(text(index + 1), .type, at: index)
      definition.isEntryPoint = text(index - 1) == "main" && text(index - 2) == "@"
      pending = Scope(
        kind: .type, name: definition.name, isProtocol: word == "protocol",
        access: definition.access, definition: definition)
      return brace(index + 2)
    }
    if word == "extension", isName(index + 1) {
      var end = index + 1
      var name = text(end)
      while text(end + 1) == ".", isName(end + 2) {
        name += ".\(text(end + 2))"
        end += 2
      }
      extended.insert(name)
      pending = Scope(kind: .type, name: name, access: access(index))
      return brace(end + 1)
    }
    guard isAtDeclarations else { return index + 1 }
    switch word {
    case "typealias" where isName(index + 1): define(text(index + 1), .alias, at: index)
    case "func", "init", "subscript": return function(index)
    case "var",
      "let" where isName(index + 1):
      define(text(index + 1), .property, at: index)
    case "case" where isName(index + 1) && !scopes.isEmpty: return cases(index + 1)
    default: break
    }
    return index + 1
  }

  private func brace(_ index: Int) -> Int {
    var index = index
    while index < tokens.count, text(index) != "{" { index += 1 }
    return index
  }

  private func cases(_ start: Int) -> Int {
    var index = start
    while isName(index) {
      define(text(index), .enumCase, at: index)
      index += 1
      if text(index) == "(" {
        var depth = 0
        repeat {
          depth += text(index) == "(" ? 1 : text(index) == ")" ? -1 : 0
          index += 1
        } while depth > 0 && index < tokens.count
      }
      if text(index) == "=" { index += 2 }
      guard text(index) == "," else { break }
      index += 1
    }
    return index
  }

  /// From the keyword to the body's brace, or behind the signature where there is none.
  private func function(_ start: Int) -> Int {
    let isFunction = text(start) == "func"
    let definition = define(
      isFunction ? text(start + 1) : text(start), isFunction ? .function : .initializer, at: start)
    var index = start + (isFunction ? 2 : 1)
    while index < tokens.count, text(index) != "(", text(index) != "{" { index += 1 }
    var depth = 0
    while index < tokens.count {
      let mark = text(index)
      if depth == 0, mark == "{" {
        pending = Scope(kind: .function, name: definition.name, definition: definition)
        return index
      }
      // A requirement, or a declaration in a type that ends here.
      if depth == 0, mark == "}" { return index }
      if depth == 0, index > start + 2, ["func", "init", "var", "let", "case"].contains(mark),
        definition.isRequirement
      {
        return index
      }
      depth += ["(", "["].contains(mark) ? 1 : [")", "]"].contains(mark) ? -1 : 0
      index += 1
    }
    return index
  }
}

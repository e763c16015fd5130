internal import CYAML
package import DocumentKit

/// Reads one YAML document by libyaml, scalars typed by YAML 1.2's core schema.
///
/// Aliases and merge keys (`<<`, https://yaml.org/type/merge.html) are expanded, up to a bound: an
/// alias can make a small file unfold into a huge one. Tags and several documents are refused.
package enum YAMLReader {
  /// Bytes; a longer file is refused before it is parsed.
  package static let sizeMax = 1 << 20
  /// Values that all aliases of a file together may stand for.
  package static let expandedMax = 10_000

  package static func read(_ bytes: [UInt8]) throws(DocumentError) -> Document {
    guard bytes.count <= sizeMax else {
      throw DocumentError("The file is larger than \(sizeMax) bytes.", at: .unknown)
    }
    if let bad = firstInvalidUTF8(in: bytes) {
      throw DocumentError(
        "The file is not valid UTF-8 (byte \(bad)); save it as UTF-8.",
        at: Position(ofByte: bad, in: bytes))
    }
    let start = plainStart(of: bytes)
    let result: Result<Document, DocumentError> = bytes.withUnsafeBufferPointer { buffer in
      var events = YAMLEvents(UnsafeBufferPointer(rebasing: buffer[start...]))
      defer { events.close() }
      do throws(DocumentError) { return .success(try events.document()) } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}

/// Walks libyaml's event stream; owns the parser until `close`.
private struct YAMLEvents {
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let open: Bool
  private var values = 0
  private var anchors: [String: Anchored] = [:]
  /// Values that aliases have stood for.
  private var expanded = 0

  init(_ buffer: UnsafeBufferPointer<UInt8>) {
    parser = .allocate(capacity: 1)
    open = yaml_parser_initialize(parser) == 1
    if open {
      yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
      yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
    }
  }

  func close() {
    if open { yaml_parser_delete(parser) }
    parser.deallocate()
  }

  /// Takes the next event, hands it to `body` and frees it.
  private func next<T>(
    _ body: (borrowing yaml_event_t) throws(DocumentError) -> T
  ) throws(DocumentError) -> T {
    guard open else { throw DocumentError("libyaml ran out of memory.", at: .unknown) }
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else {
      let problem = parser.pointee.problem.map { String(cString: $0) } ?? "unreadable"
      throw DocumentError("This is not YAML: \(problem).", at: place(parser.pointee.problem_mark))
    }
    defer { yaml_event_delete(&event) }
    return try body(event)
  }

  mutating func document() throws(DocumentError) -> Document {
    try skip(YAML_STREAM_START_EVENT)
    let first = try next { $0.type }
    guard first == YAML_DOCUMENT_START_EVENT else {
      throw DocumentError("The file is empty.", at: Position(line: 1, column: 1))
    }
    let root = try value(depth: 0)
    try skip(YAML_DOCUMENT_END_EVENT)
    try next { event throws(DocumentError) in
      guard event.type == YAML_STREAM_END_EVENT else {
        throw DocumentError(
          "The file holds a second document; put it in a file of its own.",
          at: place(event.start_mark))
      }
    }
    return root
  }

  private func skip(_ type: yaml_event_type_t) throws(DocumentError) {
    try next { event throws(DocumentError) in
      guard event.type == type else {
        throw DocumentError("Unexpected YAML structure.", at: place(event.start_mark))
      }
    }
  }

  private struct Anchored {
    var document: Document
    /// Values in it, itself included.
    var size: Int
    /// Lists and objects within one another.
    var levels: Int
  }

  private struct Node {
    enum Kind {
      /// `isPlain` is one without quotes.
      case scalar(Document.Value, isPlain: Bool)
      case sequence
      case mapping
      case alias(String)
      case end
    }

    var kind: Kind
    var position: Position
    var anchor: String?

    init(
      _ kind: Kind, _ at: Position, anchor: UnsafeMutablePointer<yaml_char_t>? = nil
    ) {
      self.kind = kind
      position = at
      self.anchor = anchor.map { String(cString: $0) }
    }
  }

  private func nextNode() throws(DocumentError) -> Node {
    try next { event throws(DocumentError) in
      let at = place(event.start_mark)
      switch event.type {
      case YAML_SCALAR_EVENT:
        let scalar = event.data.scalar
        guard scalar.tag == nil else { throw unsupported(at) }
        let text = String(
          decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        let plain = scalar.style == YAML_PLAIN_SCALAR_STYLE
        return Node(
          .scalar(plain ? resolve(text) : .string(text), isPlain: plain), at, anchor: scalar.anchor)
      case YAML_SEQUENCE_START_EVENT:
        let start = event.data.sequence_start
        guard start.tag == nil else { throw unsupported(at) }
        return Node(.sequence, at, anchor: start.anchor)
      case YAML_MAPPING_START_EVENT:
        let start = event.data.mapping_start
        guard start.tag == nil else { throw unsupported(at) }
        return Node(.mapping, at, anchor: start.anchor)
      case YAML_ALIAS_EVENT:
        return Node(.alias(event.data.alias.anchor.map { String(cString: $0) } ?? ""), at)
      case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return Node(.end, at)
      default: throw unsupported(at)
      }
    }
  }

  private func unsupported(_ at: Position) -> DocumentError {
    DocumentError("Tags are not supported; write the value without one.", at: at)
  }

  private mutating func value(depth: Int) throws(DocumentError) -> Document {
    try finish(try nextNode(), depth: depth)
  }

  private mutating func count(_ more: Int, at position: Position) throws(DocumentError) {
    values += more
    guard values <= JSONReader.valuesMax else {
      throw DocumentError(
        "The YAML holds more than \(JSONReader.valuesMax) values; send less at once.",
        at: position)
    }
  }

  private mutating func finish(_ node: Node, depth: Int) throws(DocumentError) -> Document {
    let before = values
    let document: Document
    switch node.kind {
    case .scalar(let value, _):
      try count(1, at: node.position)
      document = Document(value, at: node.position)
    case .alias(let name): return try expansion(of: name, at: node.position, depth: depth)
    case .end: throw DocumentError("Unexpected end of a block.", at: .unknown)
    case .sequence:
      try count(1, at: node.position)
      try checkDepth(depth, node.position)
      document = Document(.array(try elements(depth: depth)), at: node.position)
    case .mapping:
      try count(1, at: node.position)
      try checkDepth(depth, node.position)
      document = Document(.object(try members(depth: depth)), at: node.position)
    }
    if let anchor = node.anchor {
      anchors[anchor] = Anchored(document: document, size: values - before, levels: document.levels)
    }
    return document
  }

  /// What stands at an anchor before; errors in it point there.
  private mutating func expansion(
    of name: String, at position: Position, depth: Int
  ) throws(DocumentError) -> Document {
    guard let anchored = anchors[name] else {
      throw DocumentError("No anchor &\(name.onOneLine) ends before its alias here.", at: position)
    }
    expanded += anchored.size
    guard expanded <= YAMLReader.expandedMax else {
      throw DocumentError(
        "The aliases stand for more than \(YAMLReader.expandedMax) values; write less by them.",
        at: position)
    }
    try count(anchored.size, at: position)
    if anchored.levels > 0 { try checkDepth(depth + anchored.levels - 1, position) }
    return anchored.document
  }

  private mutating func elements(depth: Int) throws(DocumentError) -> [Document] {
    var elements: [Document] = []
    while true {
      let node = try nextNode()
      if case .end = node.kind { return elements }
      elements.append(try finish(node, depth: depth + 1))
    }
  }

  private func checkDepth(_ depth: Int, _ at: Position) throws(DocumentError) {
    guard depth < JSONReader.depthMax else {
      throw DocumentError("The YAML nests deeper than \(JSONReader.depthMax) levels.", at: at)
    }
  }

  private mutating func members(depth: Int) throws(DocumentError) -> [Document.Member] {
    var members: [Document.Member] = []
    var merged: [Document.Member]?
    var seen = KeySet()
    while true {
      let node = try nextNode()
      if case .end = node.kind { break }
      // A key that is a list or an object is refused where it begins: reading it first would nest
      // as deep as its author likes.
      guard case .scalar(let value, let isPlain) = node.kind,
        let key = Document(value).scalarText
      else { throw DocumentError("A key must be plain text.", at: node.position) }
      if let anchor = node.anchor {
        anchors[anchor] = Anchored(document: Document(value, at: node.position), size: 1, levels: 0)
      }
      if isPlain, key == "<<" {
        guard merged == nil else { throw repeated(key, node.position) }
        merged = try merge(try self.value(depth: depth + 1))
        continue
      }
      guard seen.insert(key, among: members) else { throw repeated(key, node.position) }
      members.append(
        .init(key: key, keyPosition: node.position, value: try self.value(depth: depth + 1)))
    }
    // What the object says itself counts; of several that are merged the first that says it.
    for member in merged ?? [] where seen.insert(member.key, among: members) {
      members.append(member)
    }
    return members
  }

  private func repeated(_ key: String, _ at: Position) -> DocumentError {
    DocumentError("The key \(quoted(key)) stands twice in one object; keep one.", at: at)
  }

  /// The members of the object, or objects, after `<<`.
  private func merge(_ document: Document) throws(DocumentError) -> [Document.Member] {
    var members: [Document.Member] = []
    for source in document.array ?? [document] {
      guard let more = source.members else {
        throw DocumentError(
          "<< takes an object or a list of objects, not \(source.kind).", at: source.position)
      }
      members += more
    }
    return members
  }
}

extension Document {
  /// Lists and objects within one another; 0 for a scalar.
  fileprivate var levels: Int {
    switch value {
    case .array(let elements): 1 + (elements.map(\.levels).max() ?? 0)
    case .object(let members): 1 + (members.map(\.value.levels).max() ?? 0)
    case .null, .bool, .number, .string: 0
    }
  }
}

private func place(_ mark: yaml_mark_t) -> Position {
  Position(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
}

/// YAML 1.2 core schema (§10.3.2) for plain scalars; octal and hexadecimal stay text.
private func resolve(_ text: String) -> Document.Value {
  switch text {
  case "", "~", "null", "Null", "NULL": return .null
  case "true", "True", "TRUE": return .bool(true)
  case "false", "False", "FALSE": return .bool(false)
  default: return isNumber(text) ? .number(text) : .string(text)
  }
}

/// JSON's number grammar: what is written to JSON later must be valid there.
private func isNumber(_ text: String) -> Bool {
  guard let document = try? JSONReader.read(Array(text.utf8)) else { return false }
  if case .number = document.value { return true }
  return false
}

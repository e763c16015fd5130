internal import CYAML
package import DocumentKit

/// Reads one YAML document by libyaml, scalars typed by YAML 1.2's core schema.
///
/// Anchors, aliases, tags, merge keys and several documents are refused: a plan must say what it
/// means where it says it, and an alias can make a small file unfold into a huge one.
package enum YAMLReader {
  /// Bytes; a longer file is refused before it is parsed.
  package static let sizeMax = 1 << 20

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

  private enum Node {
    case scalar(Document)
    case sequence(Position)
    case mapping(Position)
    case end

    var position: Position {
      switch self {
      case .scalar(let document): document.position
      case .sequence(let position), .mapping(let position): position
      case .end: .unknown
      }
    }
  }

  private func nextNode() throws(DocumentError) -> Node {
    try next { event throws(DocumentError) in
      let at = place(event.start_mark)
      switch event.type {
      case YAML_SCALAR_EVENT:
        let scalar = event.data.scalar
        guard scalar.anchor == nil, scalar.tag == nil else { throw unsupported(at) }
        let text = String(
          decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        let plain = scalar.style == YAML_PLAIN_SCALAR_STYLE
        return .scalar(Document(plain ? resolve(text) : .string(text), at: at))
      case YAML_SEQUENCE_START_EVENT:
        let start = event.data.sequence_start
        guard start.anchor == nil, start.tag == nil else { throw unsupported(at) }
        return .sequence(at)
      case YAML_MAPPING_START_EVENT:
        let start = event.data.mapping_start
        guard start.anchor == nil, start.tag == nil else { throw unsupported(at) }
        return .mapping(at)
      case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .end
      default: throw unsupported(at)
      }
    }
  }

  private func unsupported(_ at: Position) -> DocumentError {
    DocumentError("Anchors, aliases and tags are not supported; write the value out.", at: at)
  }

  private mutating func value(depth: Int) throws(DocumentError) -> Document {
    try finish(try nextNode(), depth: depth)
  }

  private mutating func finish(_ node: Node, depth: Int) throws(DocumentError) -> Document {
    values += 1
    guard values <= JSONReader.valuesMax else {
      throw DocumentError(
        "The YAML holds more than \(JSONReader.valuesMax) values; send less at once.",
        at: node.position)
    }
    switch node {
    case .scalar(let document): return document
    case .end: throw DocumentError("Unexpected end of a block.", at: .unknown)
    case .sequence(let at):
      try checkDepth(depth, at)
      var elements: [Document] = []
      while true {
        let node = try nextNode()
        if case .end = node { return Document(.array(elements), at: at) }
        elements.append(try finish(node, depth: depth + 1))
      }
    case .mapping(let at):
      try checkDepth(depth, at)
      return Document(.object(try members(depth: depth)), at: at)
    }
  }

  private func checkDepth(_ depth: Int, _ at: Position) throws(DocumentError) {
    guard depth < JSONReader.depthMax else {
      throw DocumentError("The YAML nests deeper than \(JSONReader.depthMax) levels.", at: at)
    }
  }

  private mutating func members(depth: Int) throws(DocumentError) -> [Document.Member] {
    var members: [Document.Member] = []
    var seen = KeySet()
    while true {
      let node = try nextNode()
      if case .end = node { return members }
      // A key that is a list or an object is refused where it begins: reading it first would nest
      // as deep as its author likes.
      guard case .scalar(let document) = node, let key = document.scalarText else {
        throw DocumentError("A key must be plain text.", at: node.position)
      }
      guard seen.insert(key, among: members) else {
        throw DocumentError(
          "The key \(quoted(key)) stands twice in one object; keep one.", at: document.position)
      }
      members.append(
        .init(key: key, keyPosition: document.position, value: try value(depth: depth + 1)))
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

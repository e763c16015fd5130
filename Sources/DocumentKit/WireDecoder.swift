/// Decodes `Codable` models from a `Document`; keys are looked up in snake_case.
///
/// Lenient about unknown members, as a client must be about a newer server.
package enum WireDecoder {
  package static func decode<T: Decodable>(_ type: T.Type, from document: Document) throws -> T {
    try unwrap(T.self, document, [])
  }

  package static func decode<T: Decodable>(_ type: T.Type, from json: [UInt8]) throws -> T {
    try decode(type, from: JSONReader.read(json))
  }
}

struct DocumentDecoder: Decoder {
  let document: Document
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard let members = document.members else { throw mismatch("an object", document, codingPath) }
    return KeyedDecodingContainer(KeyedDocument<Key>(members: members, codingPath: codingPath))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard let elements = document.array else { throw mismatch("a list", document, codingPath) }
    return UnkeyedDocument(elements: elements, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer {
    SingleDocument(document: document, codingPath: codingPath)
  }
}

private func mismatch(
  _ wanted: String, _ document: Document, _ path: [any CodingKey]
) -> DecodingError {
  .typeMismatch(
    Document.self,
    .init(codingPath: path, debugDescription: "Expected \(wanted), found \(document.kind)."))
}

private func unwrap<T: Decodable>(
  _ type: T.Type, _ document: Document, _ path: [any CodingKey]
) throws -> T {
  let value: Any? =
    switch type {
    case is String.Type: document.string
    case is Bool.Type: document.bool
    case is Double.Type: document.double
    case is Int.Type: document.int
    case is Document.Type: document
    default: try T(from: DocumentDecoder(document: document, codingPath: path))
    }
  guard let value = value as? T else { throw mismatch("\(T.self)", document, path) }
  return value
}

private struct KeyedDocument<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let members: [Document.Member]
  let codingPath: [any CodingKey]
  var allKeys: [Key] { members.compactMap { Key(stringValue: $0.key) } }

  private func find(_ key: Key) -> Document? {
    let name = snakeCase(key.stringValue)
    return members.first { $0.key == name }?.value
  }

  private func require(_ key: Key) throws -> Document {
    guard let document = find(key) else {
      throw DecodingError.keyNotFound(
        key, .init(codingPath: codingPath, debugDescription: "\(key.stringValue) is missing."))
    }
    return document
  }

  func contains(_ key: Key) -> Bool { find(key) != nil }
  func decodeNil(forKey key: Key) throws -> Bool { try require(key).isNull }

  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
    try unwrap(type, require(key), codingPath + [key])
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> {
    try DocumentDecoder(document: require(key), codingPath: codingPath + [key])
      .container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try DocumentDecoder(document: require(key), codingPath: codingPath + [key]).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder {
    DocumentDecoder(document: Document(.object(members)), codingPath: codingPath)
  }

  func superDecoder(forKey key: Key) throws -> any Decoder {
    DocumentDecoder(document: try require(key), codingPath: codingPath + [key])
  }
}

private struct UnkeyedDocument: UnkeyedDecodingContainer {
  let elements: [Document]
  let codingPath: [any CodingKey]
  private(set) var currentIndex = 0
  var count: Int? { elements.count }
  var isAtEnd: Bool { currentIndex >= elements.count }

  init(elements: [Document], codingPath: [any CodingKey]) {
    self.elements = elements
    self.codingPath = codingPath
  }

  private mutating func next() throws -> Document {
    guard !isAtEnd else {
      throw DecodingError.valueNotFound(
        Document.self, .init(codingPath: codingPath, debugDescription: "The list ends here."))
    }
    defer { currentIndex += 1 }
    return elements[currentIndex]
  }

  mutating func decodeNil() throws -> Bool {
    guard !isAtEnd, elements[currentIndex].isNull else { return false }
    currentIndex += 1
    return true
  }

  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
    try unwrap(type, next(), codingPath)
  }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) throws -> KeyedDecodingContainer<Nested> {
    try DocumentDecoder(document: next(), codingPath: codingPath).container(keyedBy: type)
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try DocumentDecoder(document: next(), codingPath: codingPath).unkeyedContainer()
  }

  mutating func superDecoder() throws -> any Decoder {
    DocumentDecoder(document: try next(), codingPath: codingPath)
  }
}

private struct SingleDocument: SingleValueDecodingContainer {
  let document: Document
  let codingPath: [any CodingKey]

  func decodeNil() -> Bool { document.isNull }

  func decode<T: Decodable>(_ type: T.Type) throws -> T { try unwrap(type, document, codingPath) }
}

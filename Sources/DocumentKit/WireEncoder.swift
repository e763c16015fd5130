/// Encodes a value as a `Document`: members in declaration order, keys in snake_case.
///
/// Foundation's encoder cannot keep the order, and its weight would double the binary; see
/// `docs/decisions`. Optionals that are nil are left out; use `Nullable` to write null.
package enum WireEncoder {
  package static func document(_ value: some Encodable) throws -> Document {
    let node = EncodedNode()
    try value.encode(to: NodeEncoder(node: node, codingPath: []))
    return node.document
  }

  package static func json(_ value: some Encodable) throws -> [UInt8] {
    try document(value).json
  }
}

/// A member that is written as null when it has no value, where plain optionals are left out.
package struct Nullable<Wrapped: Codable & Sendable>: Codable, Sendable {
  package var value: Wrapped?

  package init(_ value: Wrapped?) { self.value = value }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    value = container.decodeNil() ? nil : try container.decode(Wrapped.self)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if let value { try container.encode(value) } else { try container.encodeNil() }
  }
}

extension Nullable: Equatable where Wrapped: Equatable {}

/// `inputTokens` → `input_tokens`.
func snakeCase(_ name: String) -> String {
  var out = ""
  for character in name {
    if character.isUppercase, !out.isEmpty { out += "_" }
    out += character.lowercased()
  }
  return out
}

/// A tree under construction. Classes, because several containers may write into one node.
private final class EncodedNode {
  enum Content {
    case empty
    case scalar(Document)
    case array([EncodedNode])
    case object([(key: String, node: EncodedNode)])
  }
  var content = Content.empty

  var document: Document {
    switch content {
    case .empty: Document(.object([]))
    case .scalar(let document): document
    case .array(let nodes): Document(.array(nodes.map(\.document)))
    case .object(let members):
      Document(.object(members.map { .init(key: $0.key, value: $0.node.document) }))
    }
  }

  func member(_ key: String) -> EncodedNode {
    let node = EncodedNode()
    var members: [(key: String, node: EncodedNode)] = []
    if case .object(let known) = content { members = known }
    // Taken out while it grows: a list that is held twice is copied with every append.
    content = .empty
    members.append((key, node))
    content = .object(members)
    return node
  }

  func element() -> EncodedNode {
    let node = EncodedNode()
    var nodes: [EncodedNode] = []
    if case .array(let known) = content { nodes = known }
    content = .empty
    nodes.append(node)
    content = .array(nodes)
    return node
  }
}

private struct NodeEncoder: Encoder {
  let node: EncodedNode
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    if case .empty = node.content { node.content = .object([]) }
    return KeyedEncodingContainer(KeyedNode<Key>(node: node, codingPath: codingPath))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    if case .empty = node.content { node.content = .array([]) }
    return UnkeyedNode(node: node, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    SingleNode(node: node, codingPath: codingPath)
  }
}

private func fill(
  _ node: EncodedNode, with value: some Encodable, path: [any CodingKey]
) throws {
  switch value {
  case let text as String: node.content = .scalar(.string(text))
  case let flag as Bool: node.content = .scalar(.bool(flag))
  case let number as Double: node.content = .scalar(.double(number))
  case let number as any BinaryInteger: node.content = .scalar(Document(.number("\(number)")))
  case let document as Document: node.content = .scalar(document)
  default: try value.encode(to: NodeEncoder(node: node, codingPath: path))
  }
}

private struct KeyedNode<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let node: EncodedNode
  let codingPath: [any CodingKey]

  private func member(_ key: Key) -> EncodedNode { node.member(snakeCase(key.stringValue)) }

  mutating func encodeNil(forKey key: Key) { member(key).content = .scalar(.null) }

  mutating func encode(_ value: some Encodable, forKey key: Key) throws {
    try fill(member(key), with: value, path: codingPath + [key])
  }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    NodeEncoder(node: member(key), codingPath: codingPath + [key]).container(keyedBy: type)
  }

  mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    NodeEncoder(node: member(key), codingPath: codingPath + [key]).unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder {
    NodeEncoder(node: node.member("super"), codingPath: codingPath)
  }

  mutating func superEncoder(forKey key: Key) -> any Encoder {
    NodeEncoder(node: member(key), codingPath: codingPath + [key])
  }
}

private struct UnkeyedNode: UnkeyedEncodingContainer {
  let node: EncodedNode
  let codingPath: [any CodingKey]
  var count: Int {
    if case .array(let nodes) = node.content { return nodes.count }
    return 0
  }

  mutating func encodeNil() { node.element().content = .scalar(.null) }

  mutating func encode(_ value: some Encodable) throws {
    try fill(node.element(), with: value, path: codingPath)
  }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) -> KeyedEncodingContainer<Nested> {
    NodeEncoder(node: node.element(), codingPath: codingPath).container(keyedBy: type)
  }

  mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    NodeEncoder(node: node.element(), codingPath: codingPath).unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder {
    NodeEncoder(node: node.element(), codingPath: codingPath)
  }
}

private struct SingleNode: SingleValueEncodingContainer {
  let node: EncodedNode
  let codingPath: [any CodingKey]

  mutating func encodeNil() { node.content = .scalar(.null) }

  mutating func encode(_ value: some Encodable) throws {
    try fill(node, with: value, path: codingPath)
  }
}

/// A document inside a `Codable` model: foreign JSON that is passed on as it is.
extension Document: Codable {
  package init(from decoder: any Decoder) throws {
    guard let decoder = decoder as? DocumentDecoder else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "Not read by WireDecoder."))
    }
    self = decoder.document
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(self)
  }
}

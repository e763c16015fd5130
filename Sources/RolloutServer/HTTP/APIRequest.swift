import DocumentKit
import HTTPKit
import HTTPServerKit
import RolloutAPI
import RolloutCore

/// A request copied out of its connection, for handlers that outlive the loop's call.
struct APIRequest: Sendable {
  var method: HTTPMethod
  /// Percent-decoded, in the order of the pattern.
  var parameters: [String]
  var query: [(name: String, value: String)]
  var fields: HeaderLines
  var body: [UInt8]
  var principal: Principal

  func field(_ name: StaticString) -> String? { fields[name] }

  /// The only value of a query parameter; nil when absent. Throws when it stands twice.
  func queryValue(_ name: String) throws(Problem) -> String? {
    let values = query.filter { $0.name == name }
    guard values.count <= 1 else {
      throw Problem(.badRequest, "The query parameter \(quoted(name)) stands twice; send it once.")
    }
    return values.first?.value
  }

  /// Refuses parameters nobody asked for: a misspelt one must not be ignored silently.
  func allowQuery(_ names: String...) throws(Problem) {
    if let stranger = query.first(where: { !names.contains($0.name) }) {
      let known = names.isEmpty ? "none" : names.joined(separator: ", ")
      throw Problem(
        .badRequest, "Unknown query parameter \(quoted(stranger.name)); known here: \(known).")
    }
  }

  /// The body as JSON. An empty one is an empty object.
  func json() throws(Problem) -> Document {
    guard !body.isEmpty else { return Document(.object([])) }
    do throws(DocumentError) { return try JSONReader.read(body) } catch {
      throw Problem(.badRequest, "The body is not usable JSON: \(error)")
    }
  }

  /// The body as an object whose members are read when they are asked for.
  func rawObject(valuesMax: Int = JSONReader.valuesMax) throws(Problem) -> RawObject {
    do throws(DocumentError) { return try RawObject(body, valuesMax: valuesMax) } catch {
      throw Problem(.badRequest, "The body is not usable JSON: \(error)")
    }
  }

  /// `If-Match: "7"` as 7.
  func expectedVersion() throws(Problem) -> Int {
    guard let tag = field("if-match") else {
      throw Problem(
        .versionRequired, "Send If-Match with the quoted version you have seen, such as \"7\".")
    }
    guard tag.count >= 3, tag.hasPrefix("\""), tag.hasSuffix("\""),
      let version = Int(tag.dropFirst().dropLast()), version > 0
    else {
      throw Problem(
        .badRequest, "If-Match must be one quoted version, such as \"7\"; * is not accepted.")
    }
    return version
  }

  /// `Idempotency-Key`, 1–255 bytes; nil when there is none.
  func idempotencyKey() throws(Problem) -> String? {
    guard let key = field("idempotency-key") else { return nil }
    guard !key.isEmpty, key.utf8.count <= 255 else {
      throw Problem(.badRequest, "An Idempotency-Key is 1–255 bytes.")
    }
    return key
  }

  /// `?limit=`, 1–1000, 100 when absent.
  func limit() throws(Problem) -> Int {
    guard let text = try queryValue("limit") else { return 100 }
    guard let limit = Int(text), (1...1000).contains(limit) else {
      throw Problem(.badRequest, "limit must be a whole number from 1 to 1000.")
    }
    return limit
  }

  /// `?after=` as an event id.
  func cursor() throws(Problem) -> Int? {
    guard let text = try queryValue("after") else { return nil }
    guard let id = Int(text), id > 0 else {
      throw Problem(.badRequest, "after must be the next of an earlier answer.")
    }
    return id
  }
}

/// Decodes percent-encoding; nil for bytes that are not UTF-8.
func percentDecoded(_ view: ByteView, plusIsSpace: Bool = false) -> String? {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(view.count)
  var index = 0
  while index < view.count {
    let byte = view[index]
    if byte == UInt8(ascii: "%"), index + 2 < view.count, let high = hex(view[index + 1]),
      let low = hex(view[index + 2])
    {
      bytes.append(high << 4 | low)
      index += 3
    } else {
      bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
      index += 1
    }
  }
  return firstInvalidUTF8(in: bytes) == nil ? String(decoding: bytes, as: UTF8.self) : nil
}

private func hex(_ byte: UInt8) -> UInt8? {
  switch byte {
  case 0x30...0x39: byte - 0x30
  case 0x41...0x46: byte - 0x37
  case 0x61...0x66: byte - 0x57
  default: nil
  }
}

/// `a=1&b=two+words` as decoded pairs; nil for bytes that are not UTF-8.
func decodedQuery(_ query: ByteView) -> [(name: String, value: String)]? {
  var items: [(name: String, value: String)] = []
  var start = 0
  while start < query.count {
    let end = query.firstIndex(of: UInt8(ascii: "&"), from: start) ?? query.count
    let item = query[start..<end]
    let equals = item.firstIndex(of: UInt8(ascii: "=")) ?? item.count
    guard let name = percentDecoded(item[0..<equals], plusIsSpace: true),
      let value = percentDecoded(
        item[min(equals + 1, item.count)..<item.count], plusIsSpace: true)
    else { return nil }
    if !item.isEmpty { items.append((name, value)) }
    start = end + 1
  }
  return items
}

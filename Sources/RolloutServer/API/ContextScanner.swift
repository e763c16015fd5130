import HTTPKit
import RolloutCore
import RolloutEvaluation

/// Reads the plain form of an OFREP body, `{"context":{"targetingKey":"u","plan":"pro","n":5}}`,
/// without building a tree.
///
/// Strictly less than JSON: printable ASCII without escapes, scalar attributes, no key
/// twice. What it accepts means the same to the full reader; everything else it leaves alone.
struct ContextScanner {
  struct Context {
    var user: ByteView
    var attributes: Attributes
  }

  private let bytes: ByteView
  private var index = 0

  init(_ bytes: ByteView) { self.bytes = bytes }

  /// nil when the body is anything but the plain form with a user.
  mutating func scan(keepingAttributes keeps: Bool) -> Context? {
    guard take("{"), let key = string(), key.equals("context"), take(":"), take("{") else {
      return nil
    }
    var user: ByteView?
    var attributes = Attributes()
    var names = Names()
    repeat {
      guard let name = string(), take(":"), name.count <= Attributes.nameSizeMax,
        names.insert(name)
      else { return nil }
      if name.equals("targetingKey") {
        guard let value = string(), !value.isEmpty, value.count <= UserID.lengthMax else {
          return nil
        }
        user = value
      } else {
        guard let value = scalar(keeps) else { return nil }
        if keeps { attributes.append(name.string, value) }
      }
    } while take(",")
    guard take("}"), take("}") else { return nil }
    skipSpace()
    guard index == bytes.count, let user else { return nil }
    return Context(user: user, attributes: attributes)
  }

  /// The names so far. More than it holds go the long way, as does a name that stands twice.
  private struct Names {
    private var names: [16 of ByteView] = .init(repeating: .empty)
    private var marks: UInt64 = 0
    private var count = 0

    mutating func insert(_ name: ByteView) -> Bool {
      guard count < 16 else { return false }
      // Only names that share a mark need to be compared.
      let mark = UInt64(1) << UInt64((name.count &* 7 &+ Int(name.isEmpty ? 0 : name[0])) & 63)
      if marks & mark != 0 {
        for index in 0..<count where names[index].equals(name) { return false }
      }
      marks |= mark
      names[count] = name
      count += 1
      return true
    }
  }

  private mutating func skipSpace() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x09, 0x0A, 0x0D: index += 1
      default: return
      }
    }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  /// Printable ASCII between quotes, without escapes.
  private mutating func string() -> ByteView? {
    guard take("\"") else { return nil }
    let start = index
    while index < bytes.count {
      switch bytes[index] {
      case 0x22:
        index += 1
        return bytes[start..<(index - 1)]
      case 0x5C, 0..<0x20, 0x7F...0xFF: return nil
      default: index += 1
      }
    }
    return nil
  }

  /// A string, a whole number of up to 15 digits, true or false.
  private mutating func scalar(_ keeps: Bool) -> AttributeValue? {
    skipSpace()
    guard index < bytes.count else { return nil }
    switch bytes[index] {
    case 0x22:
      guard let text = string(), text.count <= Attributes.valueSizeMax else { return nil }
      return keeps ? .text(text.string) : .bool(true)
    case 0x30...0x39: return number()
    case UInt8(ascii: "t"): return word("true") ? .bool(true) : nil
    case UInt8(ascii: "f"): return word("false") ? .bool(false) : nil
    default: return nil
    }
  }

  private mutating func word(_ text: StaticString) -> Bool {
    let end = index + text.utf8CodeUnitCount
    guard end <= bytes.count, bytes[index..<end].equals(text) else { return false }
    index = end
    return true
  }

  private mutating func number() -> AttributeValue? {
    let start = index
    var value = 0
    while index < bytes.count, index - start < 15, bytes[index] >= 0x30, bytes[index] <= 0x39 {
      value = value * 10 + Int(bytes[index] - 0x30)
      index += 1
    }
    // Leading zeros, fractions and exponents are for the full reader to judge.
    guard index < bytes.count, bytes[start] != 0x30 || index - start == 1 else { return nil }
    switch bytes[index] {
    case UInt8(ascii: ","), UInt8(ascii: "}"), 0x20: return .number(.whole(Int128(value)))
    default: return nil
    }
  }
}

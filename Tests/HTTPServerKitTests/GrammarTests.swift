import HTTPKit
import Testing

@testable import HTTPServerKit

/// RFC 9112's request head once more, written as slowly and plainly as possible: lines, splits and
/// sets of characters. Shares no code with the parser it checks.
private struct PlainGrammar {
  enum Verdict: Equatable {
    case incomplete
    case refused
    case accepted(method: String, target: String, framing: String, keepAlive: Bool)
  }

  private static let token = Set(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".unicodeScalars)
  private static let targetCharacters = Set(
    "-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!$&'()*+,;=:@/?%"
      .unicodeScalars)
  private static let methods = Set(HTTPMethod.allCases.map(\.rawValue))

  private static func method(_ word: [Unicode.Scalar]) -> String? {
    guard !word.isEmpty, word.allSatisfy({ token.contains($0) }) else { return nil }
    return methods.contains(string(word)) ? string(word) : HTTPMethod.unknown.rawValue
  }

  /// Latin-1, so that every byte is one character and CRLF is two.
  static func judge(_ bytes: [UInt8]) -> Verdict {
    var text = bytes.map { Unicode.Scalar($0) }
    if text.starts(with: ["\r", "\n"]) { text.removeFirst(2) }
    guard let end = find(["\r", "\n", "\r", "\n"], in: text) else { return .incomplete }
    let lines = split(Array(text[..<end]))
    guard let first = lines.first,
      !lines.contains(where: { $0.contains("\r") || $0.contains("\n") })
    else { return .refused }
    let words = first.split(separator: " ", omittingEmptySubsequences: false).map(Array.init)
    guard words.count == 3, let minor = version(words[2]), let method = method(words[0]),
      isTarget(words[1], method: method)
    else { return .refused }
    var fields: [(name: String, value: String)] = []
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":"), colon > 0,
        line[..<colon].allSatisfy({ token.contains($0) }),
        line[(colon + 1)...].allSatisfy({ $0 == "\t" || $0.value >= 0x20 && $0.value != 0x7F })
      else { return .refused }
      fields.append((string(line[..<colon]).lowercased(), trim(string(line[(colon + 1)...]))))
    }
    return frame(fields, minor, method: method, target: string(words[1]))
  }

  private static func frame(
    _ fields: [(name: String, value: String)], _ minor: Int, method: String, target: String
  ) -> Verdict {
    func all(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }
    let hosts = all("host")
    guard hosts.count <= 1, minor == 0 || hosts.count == 1, hosts.allSatisfy(isHost) else {
      return .refused
    }
    for single in ["authorization", "x-api-key", "content-encoding"] where all(single).count > 1 {
      return .refused
    }
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"))
    guard lengths.count <= 1, lengths.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isDigit) }) else {
      return .refused
    }
    var framing = "0"
    if let coding = codings.first {
      guard codings.count == 1, lengths.isEmpty, minor == 1, coding.lowercased() == "chunked" else {
        return .refused
      }
      framing = "chunked"
    } else if let length = lengths.first {
      guard let value = Int(length) else { return .refused }
      framing = String(value)
    }
    if minor == 1, let expect = all("expect").last, expect.lowercased() != "100-continue" {
      return .refused
    }
    let options = all("connection").flatMap { $0.split(separator: ",") }.map {
      trim(String($0)).lowercased()
    }
    let keepAlive = !options.contains("close") && (minor == 1 || options.contains("keep-alive"))
    return .accepted(method: method, target: target, framing: framing, keepAlive: keepAlive)
  }

  private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }

  private static func version(_ word: [Unicode.Scalar]) -> Int? {
    let text = string(word)
    guard text.count == 8, text.hasPrefix("HTTP/1."), let digit = text.last, isDigit(digit) else {
      return nil
    }
    return digit == "0" ? 0 : 1
  }

  private static func isTarget(_ word: [Unicode.Scalar], method: String) -> Bool {
    guard word.allSatisfy({ targetCharacters.contains($0) }) else { return false }
    let text = string(word)
    let parts = text.split(separator: "%", omittingEmptySubsequences: false).dropFirst()
    guard parts.allSatisfy({ $0.count >= 2 && $0.prefix(2).allSatisfy(\.isHexDigit) }) else {
      return false
    }
    if text == "*" { return method == "OPTIONS" }
    if text.hasPrefix("/") { return true }
    let lower = text.lowercased()
    for scheme in ["http://", "https://"] where lower.hasPrefix(scheme) {
      let rest = text.dropFirst(scheme.count)
      let authority = rest.prefix { $0 != "/" && $0 != "?" }
      return !authority.isEmpty && isHost(String(authority))
        && rest.dropFirst(authority.count).hasPrefix("/")
    }
    return false
  }

  private static func isHost(_ text: String) -> Bool {
    var name = Substring(text)
    var rest = Substring("")
    if text.hasPrefix("[") {
      guard let close = text.firstIndex(of: "]") else { return false }
      name = text[text.index(after: text.startIndex)..<close]
      rest = text[text.index(after: close)...]
      guard !name.isEmpty, name.allSatisfy({ $0.isASCII && $0.isHexDigit || ":.v".contains($0) })
      else { return false }
    } else {
      let colon = text.firstIndex(of: ":") ?? text.endIndex
      name = text[..<colon]
      rest = text[colon...]
      let allowed = targetCharacters.subtracting("/?@:".unicodeScalars)
      guard !name.isEmpty, name.unicodeScalars.allSatisfy({ allowed.contains($0) }) else {
        return false
      }
      let parts = name.split(separator: "%", omittingEmptySubsequences: false).dropFirst()
      guard parts.allSatisfy({ $0.count >= 2 && $0.prefix(2).allSatisfy(\.isHexDigit) }) else {
        return false
      }
    }
    return rest.isEmpty
      || rest.hasPrefix(":") && rest.count <= 6 && rest.dropFirst().allSatisfy(isDigit)
  }

  private static func find(_ part: [Unicode.Scalar], in text: [Unicode.Scalar]) -> Int? {
    guard text.count >= part.count else { return nil }
    return (0...(text.count - part.count)).first { Array(text[$0..<($0 + part.count)]) == part }
  }

  private static func split(_ text: [Unicode.Scalar]) -> [[Unicode.Scalar]] {
    var lines: [[Unicode.Scalar]] = [[]]
    var index = 0
    while index < text.count {
      if text[index] == "\r", index + 1 < text.count, text[index + 1] == "\n" {
        lines.append([])
        index += 2
      } else {
        lines[lines.count - 1].append(text[index])
        index += 1
      }
    }
    return lines
  }

  private static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }

  private static func trim(_ text: String) -> String {
    var view = text[...]
    while view.first == " " || view.first == "\t" { view.removeFirst() }
    while view.last == " " || view.last == "\t" { view.removeLast() }
    return String(view)
  }
}

@Suite struct GrammarTests {
  private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
  }

  private static let seeds = [
    "GET /a/b?c=d%20e HTTP/1.1\r\nHost: a:80\r\nConnection: keep-alive\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n",
    "PUT http://h:1/x HTTP/1.0\r\nHost: [::1]:8\r\nConnection: a, close\r\nX-API-Key: k\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nhost:a\r\nAuthorization: Bearer x\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
  ]

  private static let pieces = [
    "\r\n", "\r", "\n", " ", "\t", ":", "0", "9", ",", "%", "%4", "[", "]", "@", "\0", "\u{7F}",
    "#",
    "Host: b\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "chunked", "close",
    "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http://", "?", "/", "Expect: x\r\n", "X-API-Key: a\r\n",
    "é", "Content-Encoding: gzip\r\n", "BREW", "Transfer-Encoding: chunked, gzip\r\n",
  ]

  private func verdict(_ bytes: [UInt8]) -> PlainGrammar.Verdict {
    bytes.withUnsafeBufferPointer { buffer in
      let view = ByteView(buffer)
      do throws(ParseFailure) {
        guard let head = try RequestParser.parse(view, HTTPLimits()) else { return .incomplete }
        let framing = if case .length(let length) = head.framing { "\(length)" } else { "chunked" }
        // The target as it was sent, found again by what surrounds it.
        let line = view[0..<head.fields.lowerBound].string
        let target = line.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        return .accepted(
          method: head.method.rawValue, target: target, framing: framing,
          keepAlive: head.keepAlive)
      } catch { return .refused }
    }
  }

  @Test func `the parser and a plain reading of the RFC agree on mutated heads`() {
    var random = Random(state: 0x9E37_79B9_7F4A_7C15)
    var accepted = 0
    for round in 0..<30_000 {
      var bytes = Array(Self.seeds[Int(random.next() % UInt64(Self.seeds.count))].utf8)
      for _ in 0..<(1 + random.next() % 3) {
        let at = Int(random.next() % UInt64(bytes.count + 1))
        switch random.next() % 4 {
        case 0 where at < bytes.count: bytes.remove(at: at)
        case 1 where at < bytes.count: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        default:
          let piece = Self.pieces[Int(random.next() % UInt64(Self.pieces.count))]
          bytes.insert(contentsOf: Array(piece.utf8), at: at)
        }
      }
      let plain = PlainGrammar.judge(bytes)
      let ours = verdict(bytes)
      if case .accepted = ours { accepted += 1 }
      // An incomplete head may be refused before its end is seen.
      let agrees = plain == ours || plain == .incomplete && ours == .refused
      #expect(agrees, "round \(round): \(String(decoding: bytes, as: UTF8.self).debugDescription)")
      if !agrees { return }
    }
    // A comparison of refusals only would prove little.
    #expect(accepted > 3000)
  }
}

import Foundation
import HTTPKit
import Testing

@testable import HTTPServerKit

/// Bodies that were coded with another implementation, and what damage makes of them.
@Suite struct ContentCodingTests {
  private static let plain = Array(#"{"user":{"id":"u"}}"#.utf8)

  private static func bytes(_ base64: String) -> [UInt8] {
    Array(Data(base64Encoded: base64) ?? Data())
  }

  static let gzip = bytes("H4sIAAAAAAACA6tWKi1OLVKyqlbKTFGyUipVqq0FAG2OlsYTAAAA")
  private static let members = bytes(
    """
    H4sIAAAAAAACA6tWKi1OLVKyAgDqWJQTCAAAAB+LCAAAAAAAAgOrVspMUbJSKlWqrQUACJaCzAsAAAA=
    """)
  private static let zlib = bytes("eNqrViotTi1SsqpWykxRslIqVaqtBQA/OQYy")
  private static let raw = bytes("q1YqLU4tUrKqVspMUbJSKlWqrQUA")
  private static let nothing = bytes("H4sIAAAAAAACAwMAAAAAAAAAAAA=")
  /// A mebibyte of zeros in 1051 bytes.
  static let bomb = bytes(
    """
    H4sIAAAAAAACA+3BMQEAAADCoPVPbQhfoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPgMc6jinAAAQAA==
    """)

  @Test func `gzip, several members of it, and zlib are decoded`() throws {
    #expect(try ContentCoding.gzip.decode(Self.gzip, sizeMax: 100) == Self.plain)
    #expect(try ContentCoding.gzip.decode(Self.members, sizeMax: 100) == Self.plain)
    #expect(try ContentCoding.deflate.decode(Self.zlib, sizeMax: 100) == Self.plain)
    #expect(try ContentCoding.gzip.decode(Self.nothing, sizeMax: 0).isEmpty)
  }

  @Test func `what is cut off, damaged, followed by something or of another coding is refused`() {
    func refuses(_ coding: ContentCoding, _ bytes: [UInt8]) -> Bool {
      do throws(ContentCoding.Failure) {
        _ = try coding.decode(bytes, sizeMax: 100)
        return false
      } catch { return error == .malformed }
    }
    for count in 0..<Self.gzip.count {
      #expect(refuses(.gzip, Array(Self.gzip[..<count])), "\(count)")
    }
    for count in 0..<Self.zlib.count { #expect(refuses(.deflate, Array(Self.zlib[..<count]))) }
    var damaged = Self.gzip
    damaged[damaged.count - 6] ^= 1
    #expect(refuses(.gzip, damaged))
    #expect(refuses(.gzip, Self.gzip + [0x78]))
    #expect(refuses(.deflate, Self.zlib + [0]))
    #expect(refuses(.gzip, Self.zlib))
    #expect(refuses(.deflate, Self.gzip))
    #expect(refuses(.deflate, Self.raw))
    #expect(refuses(.gzip, Self.plain))
  }

  @Test func `a bomb is left alone at the limit`() throws {
    #expect(throws: ContentCoding.Failure.tooLarge) {
      try ContentCoding.gzip.decode(Self.bomb, sizeMax: (1 << 20) - 1)
    }
    #expect(try ContentCoding.gzip.decode(Self.bomb, sizeMax: 1 << 20).count == 1 << 20)
    let many = Array(repeating: Self.bomb, count: 2000).flatMap(\.self)
    #expect(throws: ContentCoding.Failure.tooLarge) {
      try ContentCoding.gzip.decode(many, sizeMax: 1000)
    }
  }

  @Test(arguments: ["gzip", "x-gzip", "GZIP", "deflate", "br", "gzip, gzip", "", "identity"])
  func `only single codings are known`(name: String) {
    let bytes = Array(name.utf8)
    let coding = bytes.withUnsafeBufferPointer { ContentCoding(ByteView($0)) }
    #expect((coding != nil) == ["gzip", "x-gzip", "GZIP", "deflate"].contains(name))
  }
}

import DigestKit
import Testing

@Suite struct DigestTests {
  @Test func `digests agree with their standards`() {
    #expect(Digest.sha256(Array("abc".utf8)).prefix(4) == [0xba, 0x78, 0x16, 0xbf])
    let key = [UInt8](repeating: 0x0b, count: 20)
    #expect(
      Digest.hmacSHA256(key: key, Array("Hi There".utf8)).prefix(4) == [0xb0, 0x34, 0x4c, 0x61])
    #expect(Digest.equal([1, 2], [1, 2]))
    #expect(!Digest.equal([1, 2], [1, 3]))
    #expect(!Digest.equal([1], [1, 2]))
  }

  @Test func `base64 comes back as it was, and nothing else is base64`() {
    for count in 0...9 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 77 &+ 200) }
      #expect(Digest.base64Decoded(Digest.base64(bytes)) == bytes)
    }
    for text in ["YQ", "YQ=", "Y===", "Y Q=", "YQ==YQ=="] {
      #expect(Digest.base64Decoded(text) == nil, "\(text)")
    }
  }
}

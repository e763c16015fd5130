import DocumentKit
import Foundation
import RolloutEvaluation
import Testing

@Suite struct BucketingTests {
  private struct Vector {
    var salt: String
    var user: String
    var hash: UInt32
    var bucket: Int
  }

  /// A thousand vectors checked against two independent implementations.
  private func vectors() throws -> [Vector] {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Fixtures/murmur3-vectors.json")
    let document = try JSONReader.read(Array(Data(contentsOf: file)))
    return try #require(document["vectors"]?.array).map { vector in
      Vector(
        salt: try #require(vector["salt"]?.string), user: try #require(vector["user"]?.string),
        hash: UInt32(try #require(vector["murmur3_32"]?.int)),
        bucket: try #require(vector["bucket"]?.int))
    }
  }

  @Test func `hashes and buckets agree with the published vectors`() throws {
    let vectors = try vectors()
    #expect(vectors.count >= 300)
    for vector in vectors {
      let bytes = Array("\(vector.salt):\(vector.user)".utf8)
      let hash = Murmur3.hash(bytes.span)
      #expect(hash == vector.hash)
      let user = Array(vector.user.utf8)
      let bucketer = Bucketer(salt: vector.salt)
      let bucket = bucketer.bucket(user.span)
      #expect(bucket == vector.bucket)
      #expect(bucketer.bucket(vector.user) == vector.bucket)
    }
  }

  @Test(arguments: [("hello", 0x248b_fa47), ("test", 0xba6b_d213), ("", 0)])
  func `murmur3 agrees with its reference`(text: String, hash: Int) {
    let bytes = Array(text.utf8)
    let computed = Murmur3.hash(bytes.span)
    #expect(computed == UInt32(hash))
  }

  @Test func `buckets are spread evenly, and purposes are independent`() {
    let rollout = Bucketer(salt: "s")
    let holdout = Bucketer(salt: "s", purpose: .holdout)
    var inside = 0
    var both = 0
    for index in 0..<100_000 {
      let user = "user-\(index)"
      let early = rollout.bucket(user) < 25_000
      if early { inside += 1 }
      if early, holdout.bucket(user) < 10_000 { both += 1 }
    }
    // Five standard deviations.
    #expect(abs(inside - 25_000) < 685)
    #expect(abs(both - 2_500) < 247)
  }
}

@Suite struct ByteSetTests {
  @Test func `members are found, others are not, removal forgets`() {
    var set = ByteSet((0..<1000).map { "user-\($0)" })
    #expect(set.count == 1000)
    set.insert("user-5")
    #expect(set.count == 1000)
    func holds(_ user: String) -> Bool {
      let bytes = Array(user.utf8)
      return set.contains(bytes.span)
    }
    #expect(holds("user-999"))
    #expect(!holds("user-1000"))
    set.remove("user-999")
    #expect(!holds("user-999"))
    #expect(set.count == 999)
  }
}

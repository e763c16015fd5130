import DocumentKit
import Foundation
import RolloutEvaluation
import Testing

/// The formulas of other systems, against what they published and against another implementation.
@Suite struct BucketingFormulaTests {
  @Test func `every formula agrees with an implementation written from the other's source`()
    throws
  {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Fixtures/bucketing-vectors.json")
    let document = try JSONReader.read(Array(Data(contentsOf: file)))
    var seen: [Bucketing: Int] = [:]
    for vector in try #require(document["vectors"]?.array) {
      let name = try #require(vector["bucketing"]?.string)
      let bucketing = try #require(Bucketing(rawValue: name))
      let bucketer = Bucketer(
        salt: try #require(vector["salt"]?.string), bucketing: bucketing)
      let user = try #require(vector["user"]?.string)
      #expect(bucketer.bucket(user) == vector["bucket"]?.int, "\(name) of \(user)")
      seen[bucketing, default: 0] += 1
    }
    for bucketing in Bucketing.allCases where bucketing != .rollout {
      #expect(seen[bucketing] == 72, "\(bucketing)")
    }
  }

  /// flagd-testbed `evaluator/gherkin/fractional.feature`: keys at the edges of the hash.
  @Test(arguments: [
    ("ejOoVL", 0), ("bY9fO-", 0), ("SI7p-", 49_999), ("6LvT0", 50_000), ("ceQdGm", 99_999),
  ])
  func `flagd's edges of the hash fall where they should`(key: String, bucket: Int) {
    #expect(Bucketer(salt: "", bucketing: .flagd).bucket(key) == bucket)
    // The flag's key stands before the user, without anything between.
    let salt = String(key.prefix(3))
    #expect(Bucketer(salt: salt, bucketing: .flagd).bucket(String(key.dropFirst(3))) == bucket)
    #expect(Bucketer(salt: "", bucketing: .flagdReversed).bucket(key) == 99_999 - bucket)
  }

  /// Unleash client-specification 03, 04 and 10, as the number from 1 to 100 that it compares.
  @Test(arguments: [
    ("Feature.flexibleRollout.10", "174", 10), ("Feature.flexibleRollout.10", "499", 32),
    ("Feature.flexibleRollout.userId.55", "25", 55), ("AB12A", "122", 23), ("AB12A", "155", 100),
  ])
  func `Unleash's classes are whole percents`(group: String, user: String, number: Int) {
    #expect(Bucketer(salt: group, bucketing: .unleash).bucket(user) / 1000 + 1 == number)
  }

  /// GO Feature Flag `modules/core/utils/hash_test.go`.
  @Test(arguments: [
    ("flagName", "UserKey", 3_946_001_934 % 100_000),
    ("my-flag", "e56f628e-9817-498f-ae38-4961e9c2bb21", 70_272),
    ("", "e56f628e-9817-498f-ae38-4961e9c2bb21", 74_237), ("", "", 36_261),
  ])
  func `GO Feature Flag's buckets are ours`(flag: String, user: String, bucket: Int) {
    #expect(Bucketer(salt: flag, bucketing: .goff).bucket(user) == bucket)
    #expect(Bucketer(salt: flag, bucketing: .goffReversed).bucket(user) == 99_999 - bucket)
  }

  /// GrowthBook `packages/sdk-js/test/cases.json`, `hash`: seed, value, version, and the hash in
  /// thousandths or ten-thousandths. Its SDK includes whoever's hash is at most the coverage.
  @Test(arguments: [
    ("", "a", 1, 220), ("", "b", 1, 77), ("b", "a", 1, 946), ("ef", "d", 1, 652),
    ("asdf", "8952klfjas09ujk", 1, 549), ("", "123", 1, 11), ("", #"___)((*":&"#, 1, 563),
    ("seed", "a", 2, 505), ("seed", "b", 2, 2696), ("foo", "ab", 2, 2575),
    ("foo", "def", 2, 2019), ("89123klj", "8952klfjas09ujkasdf", 2, 1240),
    ("90850943850283058242805", "123", 2, 7516), ("()**(%$##$%#$#", #"___)((*":&"#, 2, 128),
  ])
  func `GrowthBook's hash is in from its own coverage on`(
    seed: String, value: String, version: Int, hash: Int
  ) {
    let bucketing: Bucketing = version == 1 ? .growthbook1 : .growthbook2
    let size = version == 1 ? 100 : 10
    let bucket = Bucketer(salt: seed, bucketing: bucketing).bucket(value)
    #expect(bucket < hash * size)
    #expect(bucket >= hash * size - 1)
  }

  /// Five standard deviations; the first version of GrowthBook is uneven, and may differ more.
  @Test(arguments: Bucketing.allCases)
  func `shares are what they say, fine ones too`(bucketing: Bucketing) {
    let bucketer = Bucketer(salt: "ai-summary", bucketing: bucketing)
    let buckets = (0..<100_000).map { bucketer.bucket("user-\($0)") }
    #expect(buckets.allSatisfy { (0..<Bucketer.bucketCount).contains($0) })
    let isUneven = bucketing == .growthbook1 || bucketing == .growthbook1Reversed
    for share in [500, 5000, 25_000, 50_000, 90_000] {
      let inside = buckets.count { $0 < share }
      let spread = (Double(share) * (1 - Double(share) / 100_000)).squareRoot()
      // Whole classes: one more or less of them is in.
      let edge = isUneven ? 1200.0 : 20.0
      #expect(abs(Double(inside - share)) < 5 * spread + edge, "\(share): \(inside)")
    }
  }

  @Test func `holdouts stay ours, and another formula draws others`() {
    var population = Population(salt: "f")
    population.bucketing = .goff
    var ours = Population(salt: "f")
    #expect(!population.drawsAlike(ours))
    ours.bucketing = .goff
    #expect(population.drawsAlike(ours))
    ours.salt = "g"
    #expect(!population.drawsAlike(ours))
    population.holdout = .percent(50)
    let evaluator = Evaluator(
      Audience(
        population: population, stages: [StageAudience(name: "all", percent: .percent(100))]),
      .serving(upTo: 0, isComplete: false), members: { _ in ByteSet() })
    let holdout = Bucketer(salt: "f", purpose: .holdout)
    let draw = Bucketer(salt: "f", bucketing: .goff)
    for number in 0..<1000 {
      let user = Array("u\(number)".utf8)
      let decision = try? evaluator.decide(user: user.span)
      #expect(decision?.enabled == (holdout.bucket(user.span) >= 50_000))
      #expect(decision?.bucket == draw.bucket(user.span))
    }
  }
}

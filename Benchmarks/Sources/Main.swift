import DocumentKit
import Glibc
import RolloutCore
import RolloutEvaluation
import YAMLKit

/// Times decisions in process and counts their allocations; prints one JSON object. With
/// `upstream PORT` it is a provider to measure gateways with; `decisions` prints that table alone.
@main
enum Main {
  static func main() async throws {
    if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "upstream",
      let port = Int(CommandLine.arguments[2])
    {
      try await Upstream.serve(port)
    }
    if CommandLine.arguments.dropFirst().first == "decisions" {
      return print(DecisionTable.make().jsonText)
    }
    let result = Document.object([
      "percentage_ns": .double(try time(percentage())),
      "percentage_allocations": .int(try allocations(percentage())),
      "rules_ns": .double(try time(rules())),
      "rules_allocations": .int(try allocations(rules())),
      "preview_10m_s": .double(preview()),
      "detectors": DetectorTable.make(),
      "decisions": DecisionTable.make(),
    ])
    print(result.jsonText)
  }

  typealias Question = () -> Bool

  private static func compile(_ yaml: String) throws -> CompiledPlan {
    var plan = Plan(
      try PlanDefinition(YAMLReader.read(Array(yaml.utf8))), at: Moment(Instant(milliseconds: 0)))
    plan.status = .active
    plan.stageIndex = min(2, plan.definition.stages.count - 1)
    return CompiledPlan(plan) { _ in ByteSet(["anna", "bob"]) }
  }

  /// The default stages at 25 %.
  private static func percentage() throws -> Question {
    let plan = try compile("feature: ai-summary")
    let user = Array("user-123".utf8)
    return { (try? plan.evaluator.decide(user: user.span))?.enabled ?? false }
  }

  /// Three rules, of which the last matches.
  private static func rules() throws -> Question {
    let plan = try compile(
      """
      feature: ai-summary
      stages:
        - name: internal
          rules:
            - {attribute: email, ends_with: "@acme.com"}
            - {attribute: country, in: [AU, NZ]}
            - {attribute: plan, equals: pro}
      """)
    let user = Array("user-123".utf8)
    let attributes: Attributes = [
      "email": .text("someone@example.com"), "country": .text("DE"), "plan": .text("pro"),
    ]
    return {
      (try? plan.evaluator.decide(user: user.span, attributes: attributes))?.enabled ?? false
    }
  }

  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }

  /// Nanoseconds per question: the median of many batches.
  private static func time(_ question: Question) throws -> Double {
    let batch = 5000
    let times = (0..<201).map { _ -> Double in
      let start = now()
      for _ in 0..<batch { sink(question()) }
      return (now() - start) / Double(batch)
    }
    return (times.sorted()[100] * 10).rounded() / 10
  }

  /// Allocations in 100,000 questions, by the counter of the preloaded library; -1 without it.
  private static func allocations(_ question: Question) throws -> Int {
    guard let symbol = dlsym(nil, "rollout_allocations") else { return -1 }
    let count = unsafeBitCast(symbol, to: (@convention(c) () -> UInt).self)
    sink(question())
    let before = count()
    for _ in 0..<100_000 { sink(question()) }
    return Int(count() - before)
  }

  /// Seconds to bucket ten million users on two threads.
  private static func preview() -> Double {
    let start = now()
    var threads: [pthread_t] = []
    for half in 0..<2 {
      var thread = pthread_t()
      pthread_create(&thread, nil, bucketFiveMillion, UnsafeMutableRawPointer(bitPattern: half + 1))
      threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
    return ((now() - start) / 1e6).rounded() / 1000
  }
}

@inline(never) private func sink(_ value: Bool) {}

private func bucketFiveMillion(_ half: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  let bucketer = Bucketer(salt: "ai-summary")
  var inside = 0
  var name = Array("user-00000000".utf8)
  name[5] = UInt8(truncatingIfNeeded: 0x30 + (half.map { Int(bitPattern: $0) } ?? 0))
  for number in 0..<5_000_000 {
    var rest = number
    for position in stride(from: 12, to: 5, by: -1) {
      name[position] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
      rest /= 10
    }
    if bucketer.bucket(name.span) < 25_000 { inside += 1 }
  }
  precondition((1_200_000...1_300_000).contains(inside), "the hash is biased")
  return nil
}

import DocumentKit
import RolloutCore

/// GO Feature Flag's `progressiveRollout`: a share that grows with time.
struct GOFFRamp {
  struct Step {
    var variation: String?
    var percent: Double?
    var date: Instant?

    init(_ document: Document?) {
      variation = document?["variation"]?.scalarText
      percent = document?["percentage"]?.double
      date = document?["date"]?.scalarText.flatMap { Instant(rfc3339: $0) }
    }

    mutating func merge(_ other: Step) {
      variation = other.variation ?? variation
      percent = other.percent ?? percent
      date = other.date ?? date
    }
  }

  private(set) var initial: Step
  private(set) var end: Step

  init(_ document: Document) {
    initial = Step(document["initial"])
    end = Step(document["end"])
  }

  mutating func merge(_ other: GOFFRamp) {
    initial.merge(other.initial)
    end.merge(other.end)
  }

  func isOver(at time: Instant) -> Bool {
    end.date.map { $0.milliseconds <= time.milliseconds } ?? false
  }

  /// How many of 100,000 buckets, from 0 on, get the end's variation; nil where it lacks something.
  func bucketsAtEnd(at time: Instant) -> Int? {
    guard let start = initial.date, let stop = end.date, initial.variation != nil,
      end.variation != nil, start.milliseconds < stop.milliseconds
    else { return nil }
    if time.milliseconds < start.milliseconds { return 0 }
    let from = (initial.percent ?? 0) * 1000
    let given = end.percent ?? 0
    let to = (given == 0 || given > 100 ? 100 : given) * 1000
    guard from >= 0, from <= to else { return nil }
    guard time.milliseconds < stop.milliseconds else { return Int(to) }
    // It counts in whole seconds.
    func seconds(_ instant: Instant) -> Double { Double(instant.milliseconds / 1000) }
    guard seconds(stop) > seconds(start) else { return Int(from) }
    let each = (to - from) / (seconds(stop) - seconds(start))
    return min(100_000, Int((seconds(time) - seconds(start)) * each + from))
  }
}

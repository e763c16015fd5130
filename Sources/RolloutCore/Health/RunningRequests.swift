/// Requests that have not been answered yet.
struct RunningRequests: Sendable {
  struct Request: Sendable {
    var user: UInt64?
    var since: Instant
    /// Places of the detectors that have counted it as having taken their cap.
    var counted: Set<Int> = []
    /// Milliseconds that the arm's latencies hold for it so far.
    var noted: Double?
  }

  private(set) var requests: [Int: Request] = [:]
  private var next = 0

  mutating func begin(user: UInt64?, at: Instant) -> Int {
    next += 1
    requests[next] = Request(user: user, since: at)
    return next
  }

  mutating func end(_ number: Int) -> Request? { requests.removeValue(forKey: number) }

  mutating func count(_ number: Int, _ detector: Int, as latency: Double) {
    requests[number]?.counted.insert(detector)
    requests[number]?.noted = latency
  }

  /// New detectors have counted nothing.
  mutating func forgetGuards() {
    for number in requests.keys { requests[number]?.counted = [] }
  }
}

extension FeatureHealth {
  /// A request of the treatment begins; the number ends it.
  package mutating func begin(user: UInt64?, at: Instant) -> Int {
    running.begin(user: user, at: at)
  }

  /// Its outcome. Guards that counted it while it was still running do not count it again.
  package mutating func end(_ number: Int, _ outcome: Outcome) {
    var outcome = outcome
    let request = running.end(number)
    if let request { outcome.beganAt = request.since }
    record(outcome, version: nil, ended: request)
  }

  /// A request that runs longer than six limits of a guard counts as that long for this guard.
  mutating func countOverdue(_ now: Instant) {
    guard !running.requests.isEmpty else { return }
    let caps = detectors.enumerated().compactMap { index, detector -> (index: Int, cap: Double)? in
      guard detector.rule.isLatency, case .time(let span) = detector.rule.limit else { return nil }
      return (index, Double(span.milliseconds) * Guard.latencyCap)
    }.sorted { $0.cap < $1.cap }
    guard let least = caps.first?.cap else { return }
    let late = running.requests.filter {
      Double(now.since($0.value.since).milliseconds) >= least
    }
    for (number, request) in late.sorted(by: { $0.key < $1.key })
    where isOfThisStage(request.since, version: nil)
      && fresh?.covers(request.since, version: nil) ?? true
    {
      count(number, request, caps, now)
    }
  }

  private mutating func count(
    _ number: Int, _ request: RunningRequests.Request, _ caps: [(index: Int, cap: Double)],
    _ now: Instant
  ) {
    let ran = Double(now.since(request.since).milliseconds)
    var noted = request.noted
    for (index, cap) in caps where cap <= ran && !request.counted.contains(index) {
      observe(
        Outcome(
          result: .ok, arm: .treatment, user: request.user, at: now, beganAt: request.since,
          latency: cap), index)
      running.count(number, index, as: cap)
      treatment.note(latency: cap, instead: noted)
      noted = cap
      isDirty = true
    }
  }
}

/// What answers requests. One instance per event loop, used on that loop's thread only, so it may
/// hold caches and counters without locks.
package protocol HTTPService: AnyObject {
  /// Asked once the head is complete, before any of the body is kept.
  func admit(_ request: RequestView) -> Admission

  /// Answers through `reply`, now or later. Views are valid during the call only. `ticket` is what
  /// `admit` gave for this request; `isFresh` when that was the call just before this one, so that
  /// what it found out still holds.
  func handle(_ request: RequestView, ticket: Int, isFresh: Bool, _ reply: Reply)
}

/// Whether a request's body is worth receiving.
package enum Admission {
  /// Up to so many bytes; a larger body is answered 413. `ticket` comes back with the request, so
  /// that nothing has to be looked up twice. `account` is in whose name the body is counted while
  /// it arrives: when there is no room left, whoever holds most has to give way. 0 is for
  /// strangers. With `isSentAgain`, a body that is too large or too slow is answered 503: to those
  /// who send again after that, and give up after a 4xx.
  case accept(bodySizeMax: Int, ticket: Int, account: Int = 0, isSentAgain: Bool = false)
  /// Answered at once; the connection closes if a body would follow.
  case refuse(HTTPResponse)
}

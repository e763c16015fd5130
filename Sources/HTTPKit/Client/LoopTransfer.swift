internal import CCurl
import PlatformKit

/// One call under way, as the loop sees it: libcurl's handle, its clocks, and what has come. For
/// the loop's thread alone; what the awaiting task sees of it is its `Transfer`.
final class LoopTransfer {
  /// Bytes of an answer's fields that are kept.
  private static let fieldsSizeMax = 64 * 1024

  /// Where it runs.
  struct Place {
    var handle: UnsafeMutableRawPointer
    var multi: MultiHandle
  }

  let shared: Transfer
  let pool: HandlePool
  /// When the loop heard of it.
  let postedAt: MonotonicInstant
  /// nil before it has begun and after it has ended.
  var place: Place?
  private(set) var hasEnded = false
  /// The loop holds every transfer, and so outlives it.
  private unowned let loop: CurlLoop
  /// Whether it has a connection, or needs none any more. One that has not begun looks for none.
  private var isSettled = false
  private var deadline = MonotonicInstant.never
  private var isPaused = false
  private var gotByte = false
  private var hasOverflowed = false
  private var status = 0
  private var fields = HeaderLines()
  private var headDelivered = false

  init(_ shared: Transfer, pool: HandlePool, at now: MonotonicInstant, loop: CurlLoop) {
    self.shared = shared
    self.pool = pool
    self.loop = loop
    postedAt = now
  }

  var call: HTTPCall { shared.call }

  /// The transfer that a handle was made ready for, while it is under way.
  static func of(_ handle: UnsafeMutableRawPointer) -> LoopTransfer? {
    cc_private(handle).map { Unmanaged<LoopTransfer>.fromOpaque($0).takeUnretainedValue() }
  }

  /// The transfer whose address libcurl was given.
  static func at(_ address: UnsafeMutableRawPointer) -> LoopTransfer {
    Unmanaged<LoopTransfer>.fromOpaque(address).takeUnretainedValue()
  }

  /// Its address for libcurl, which calls back only while the loop holds the transfer.
  var address: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  func begin(_ handle: UnsafeMutableRawPointer, _ multi: MultiHandle) {
    place = Place(handle: handle, multi: multi)
    deadline = postedAt.after(milliseconds: Self.milliseconds(call.timeouts.firstByte))
    pool.unsettled += 1
  }

  private static func milliseconds(_ seconds: Double) -> Int { Int(seconds * 1000) }

  /// The clock that has run out, of those that libcurl does not have; paused ones wait for their
  /// reader.
  func overdue(_ now: MonotonicInstant) -> HTTPFailure.Clock? {
    if !isSettled {
      let end = postedAt.after(milliseconds: Self.milliseconds(call.timeouts.connect))
      return end < now ? .connect : nil
    }
    guard !isPaused, deadline < now else { return nil }
    return gotByte ? .idle : .firstByte
  }

  /// Opens its socket: the name has been looked up.
  func openSocket(_ family: Int32, _ type: Int32, _ number: Int32) -> Int32 {
    settle()
    return loop.openSocket(family, type, number)
  }

  /// It has a connection, or needs none any more.
  func settle() {
    guard !isSettled else { return }
    isSettled = true
    loop.settled(in: pool)
  }

  /// Its reader has taken what was kept: libcurl may go on.
  func resume(_ now: MonotonicInstant) {
    guard isPaused, let place else { return }
    isPaused = false
    deadline = now.after(milliseconds: Self.milliseconds(call.timeouts.idle))
    curl_easy_pause(place.handle, CURLPAUSE_CONT)
  }

  // MARK: What comes

  func receive(field bytes: UnsafeRawBufferPointer) {
    touch()
    let line = ByteView(bytes.bindMemory(to: UInt8.self))
    if line.isEmpty || line[0] == 0x0D || line[0] == 0x0A {
      // 1xx answers are followed by another head.
      if status >= 200, !shared.buffersWhole { deliverHead() }
    } else if line.hasPrefix("HTTP/") {
      fields = HeaderLines()
      status = Self.status(line)
    } else if fields.bytes.count + line.count <= Self.fieldsSizeMax {
      fields.append(line.buffer)
    }
  }

  /// The three digits after the first space; 0 when they are none.
  private static func status(_ line: ByteView) -> Int {
    guard let space = line.firstIndex(of: 0x20, from: 0), space + 3 < line.count else { return 0 }
    var status = 0
    for index in (space + 1)...(space + 3) {
      guard (0x30...0x39).contains(line[index]) else { return 0 }
      status = status * 10 + Int(line[index] - 0x30)
    }
    return status
  }

  private func touch() {
    gotByte = true
    deadline = loop.now.after(milliseconds: Self.milliseconds(call.timeouts.idle))
  }

  /// Bytes taken, or the pause code: libcurl then offers the same bytes again.
  func receive(body bytes: UnsafeRawBufferPointer) -> Int {
    touch()
    if status >= 200 { deliverHead() }
    switch shared.take(bytes) {
    case .taken: return bytes.count
    case .full:
      isPaused = true
      return Int(CURL_WRITEFUNC_PAUSE)
    case .tooLarge:
      hasOverflowed = true
      return 0
    }
  }

  private func deliverHead() {
    guard !headDelivered else { return }
    headDelivered = true
    shared.deliver(HTTPAnswerHead(status: status, headers: fields))
  }

  // MARK: The end

  /// What libcurl's word for the end means; nil for a whole answer.
  func failure(_ code: CURLcode) -> HTTPFailure? {
    if hasOverflowed { return .tooLarge }
    let text = String(cString: curl_easy_strerror(code))
    switch code {
    case CURLE_OK: return nil
    case CURLE_OPERATION_TIMEDOUT:
      var connected: curl_off_t = 0
      if let place { _ = cc_get_offset(place.handle, CURLINFO_PRETRANSFER_TIME_T, &connected) }
      return .timeout(connected == 0 ? .connect : .total)
    case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST, CURLE_SSL_CONNECT_ERROR,
      CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE:
      return .unreachable(text)
    case CURLE_URL_MALFORMAT: return .invalidRequest(text)
    default: return .broken(text)
    }
  }

  func finish(_ failure: HTTPFailure?) {
    hasEnded = true
    if failure == nil { deliverHead() }
    shared.finish(failure)
  }
}

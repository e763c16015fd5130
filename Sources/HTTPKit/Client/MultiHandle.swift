internal import CCurl
import PlatformKit

/// One of libcurl's multi handles: some of the loop's calls, and their connections.
///
/// Several, because libcurl 7.88 walks all connections of a multi handle when a call begins and
/// again when it ends. For the loop's thread alone.
final class MultiHandle {
  /// When each of the loop's wants to be called without an event. Side by side: the loop looks at
  /// them many times with every request.
  final class Timers {
    private var times: [MonotonicInstant]
    /// No time lies before this.
    fileprivate(set) var earliest = MonotonicInstant.never

    init(count: Int) { times = Array(repeating: .never, count: count) }

    fileprivate func set(_ time: MonotonicInstant, at index: Int) {
      times[index] = time
      earliest = min(earliest, time)
    }

    /// The places of those whose time has come; they have none any more.
    func takeDue(_ now: MonotonicInstant) -> [Int] {
      guard now >= earliest else { return [] }
      let due = times.indices.filter { times[$0] <= now }
      for index in due { times[index] = .never }
      earliest = times.min() ?? .never
      return due
    }
  }

  private let multi: UnsafeMutableRawPointer
  private let sockets: WatchedSockets
  private let timers: Timers
  /// Its place among the loop's.
  private let index: Int
  /// Calls under way.
  private(set) var liveCount = 0
  /// Connections that libcurl has been allowed.
  private var connectionsMax = 0

  /// `idleMax` connections are kept when no call uses them; nil when libcurl has no memory.
  init?(index: Int, sockets: WatchedSockets, timers: Timers, idleMax: Int) {
    guard let multi = curl_multi_init() else { return nil }
    self.multi = multi
    self.index = index
    self.sockets = sockets
    self.timers = timers
    _ = cc_multi_long(multi, CURLMOPT_MAXCONNECTS, idleMax)
    _ = cc_multi_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
    let me = Unmanaged.passUnretained(self).toOpaque()
    _ = cc_multi_pointer(multi, CURLMOPT_SOCKETDATA, me)
    _ = cc_multi_pointer(multi, CURLMOPT_TIMERDATA, me)
    _ = cc_multi_socket(multi, onSocket)
    _ = cc_multi_timer(multi, onTimer)
  }

  /// Closes its connections; it is not to be used any more.
  func close() { curl_multi_cleanup(multi) }

  /// Whether one more call could have a connection.
  var hasRoom: Bool { liveCount < connectionsMax }

  /// At the bound libcurl closes idle connections first, and then lets calls wait.
  func allow(connections: Int) {
    connectionsMax = connections
    _ = cc_multi_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections)
  }

  /// Begins a call; false when libcurl refuses it. It is to be removed either way.
  func add(_ handle: UnsafeMutableRawPointer) -> Bool {
    liveCount += 1
    return curl_multi_add_handle(multi, handle) == CURLM_OK
  }

  func remove(_ handle: UnsafeMutableRawPointer) {
    liveCount -= 1
    curl_multi_remove_handle(multi, handle)
  }

  /// Lets libcurl read or write a descriptor (`CURL_CSELECT_…`), or do what its time has come for
  /// (`CURL_SOCKET_TIMEOUT`). Calls may have ended then.
  func act(on descriptor: Int32, _ mask: Int32) {
    var running: Int32 = 0
    curl_multi_socket_action(multi, descriptor, mask, &running)
  }

  /// A call that has ended by itself, which is to be removed; nil when there is none.
  func nextEnded() -> (handle: UnsafeMutableRawPointer, code: CURLcode)? {
    var left: Int32 = 0
    while let message = curl_multi_info_read(multi, &left) {
      guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle
      else { continue }
      return (handle, cc_message_result(message))
    }
    return nil
  }

  fileprivate func watch(_ descriptor: Int32, _ what: Int32) {
    sockets.watch(descriptor, what, for: index)
  }

  fileprivate func setTimer(_ milliseconds: Int) {
    let time = MachineClock.now.after(milliseconds: milliseconds)
    timers.set(milliseconds < 0 ? .never : time, at: index)
  }
}

// Free functions: libcurl calls them on the loop's thread, outside any actor.

private func onSocket(
  _ handle: UnsafeMutableRawPointer?, _ descriptor: curl_socket_t, _ what: Int32,
  _ owner: UnsafeMutableRawPointer?, _ socket: UnsafeMutableRawPointer?
) -> Int32 {
  guard let owner else { return -1 }
  Unmanaged<MultiHandle>.fromOpaque(owner).takeUnretainedValue().watch(descriptor, what)
  return 0
}

private func onTimer(
  _ multi: UnsafeMutableRawPointer?, _ milliseconds: Int, _ owner: UnsafeMutableRawPointer?
) -> Int32 {
  guard let owner else { return -1 }
  Unmanaged<MultiHandle>.fromOpaque(owner).takeUnretainedValue().setTimer(milliseconds)
  return 0
}

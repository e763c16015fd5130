internal import CCurl
import Glibc
import PlatformKit

/// libcurl's handles, kept ready for the next call of their kind: setting one up anew takes as long
/// as parsing an answer. For the loop's thread alone.
final class CurlHandles {
  /// What is set once.
  struct Kind: Hashable {
    var url: String
    var method: String
    var hasBody: Bool
    var allowsPrivateAddresses: Bool

    init(_ call: HTTPCall) {
      url = call.url
      method = call.method
      hasBody = !call.body.isEmpty
      allowsPrivateAddresses = call.allowsPrivateAddresses
    }
  }

  /// The fields that a handle has been given.
  private struct Fields {
    var sent: [(name: String, value: String)]
    var list: UnsafeMutablePointer<curl_slist>?
  }

  private static let idleMax = 4096
  /// A handle keeps its last body: one with a larger one is not kept.
  private static let keptBodyMax = 64 * 1024

  private let caFile: String
  private let sockets: WatchedSockets
  /// The names that one multi handle has looked up are known to all.
  private let names: OpaquePointer?
  private var pools: [Kind: HandlePool] = [:]
  private var idleCount = 0
  private var fields: [UnsafeMutableRawPointer: Fields] = [:]

  init(caFile: String, sockets: WatchedSockets) {
    self.caFile = caFile
    self.sockets = sockets
    names = curl_share_init().map(OpaquePointer.init)
    if let names { _ = cc_share(UnsafeMutableRawPointer(names), CURL_LOCK_DATA_DNS) }
  }

  var all: some Sequence<HandlePool> { pools.values }

  /// The pool for calls of this kind.
  func pool(for call: HTTPCall) -> HandlePool {
    let kind = Kind(call)
    if let known = pools[kind] { return known }
    let made = HandlePool(kind)
    pools[kind] = made
    return made
  }

  /// A handle that is ready to be added, and the multi handle that may have a connection for it;
  /// nil when libcurl has no memory.
  func take(
    for transfer: LoopTransfer
  ) -> (handle: UnsafeMutableRawPointer, multi: MultiHandle?)? {
    let pool = transfer.pool
    let handle: UnsafeMutableRawPointer
    var multi: MultiHandle?
    if let known = pool.idle.popLast() {
      (handle, multi) = known
      idleCount -= 1
    } else {
      guard let made = curl_easy_init() else { return nil }
      handle = made
      setUp(handle, transfer.call)
    }
    pool.inUse += 1
    prepare(handle, transfer)
    return (handle, multi)
  }

  /// Takes back a handle whose call is over.
  func put(
    _ handle: UnsafeMutableRawPointer, of multi: MultiHandle, into pool: HandlePool,
    after call: HTTPCall
  ) {
    pool.inUse -= 1
    _ = cc_set_pointer(handle, CURLOPT_PRIVATE, nil)
    guard call.body.count <= Self.keptBodyMax else {
      discard(handle)
      if pool.isEmpty { pools[pool.kind] = nil }
      return
    }
    if idleCount >= Self.idleMax { discardAny() }
    pool.idle.append((handle, multi))
    idleCount += 1
  }

  /// Kinds that come once (a query with a time in it) must not keep out those that come again.
  private func discardAny() {
    guard let pool = pools.values.first(where: { !$0.idle.isEmpty }),
      let last = pool.idle.popLast()
    else { return }
    if pool.isEmpty { pools[pool.kind] = nil }
    discard(last.handle)
    idleCount -= 1
  }

  /// No call may be under way, and none may follow.
  func close() {
    for (handle, _) in pools.values.map(\.idle).joined() { discard(handle) }
    pools = [:]
    if let names { curl_share_cleanup(UnsafeMutableRawPointer(names)) }
  }

  private func discard(_ handle: UnsafeMutableRawPointer) {
    curl_easy_cleanup(handle)
    if let list = fields.removeValue(forKey: handle)?.list { curl_slist_free_all(list) }
  }

  private func setUp(_ handle: UnsafeMutableRawPointer, _ call: HTTPCall) {
    _ = cc_set_string(handle, CURLOPT_URL, call.url)
    _ = cc_set_long(handle, CURLOPT_NOSIGNAL, 1)
    _ = cc_set_long(handle, CURLOPT_PATH_AS_IS, 1)
    _ = cc_set_string(handle, CURLOPT_PROTOCOLS_STR, "http,https")
    _ = cc_set_long(handle, CURLOPT_FOLLOWLOCATION, 0)
    // Empty: no proxy from the environment may see credentials.
    _ = cc_set_string(handle, CURLOPT_PROXY, "")
    // Not HTTP/2: libcurl 7.88 does not send the cancel of a stream until other traffic moves.
    _ = cc_set_long(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    _ = cc_set_long(handle, CURLOPT_TCP_NODELAY, 1)
    _ = cc_set_long(handle, CURLOPT_TCP_KEEPALIVE, 1)
    _ = cc_set_long(handle, CURLOPT_BUFFERSIZE, 4096)
    _ = cc_set_string(handle, CURLOPT_CAINFO, caFile)
    // With a CA path set, libcurl re-reads every certificate on each handshake (25 ms).
    _ = cc_set_string(handle, CURLOPT_CAPATH, nil)
    _ = cc_set_long(handle, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    // Removing a call that is looking up a name must not wait for the resolver's thread.
    _ = cc_set_long(handle, CURLOPT_QUICK_EXIT, 1)
    if call.method == "HEAD" { _ = cc_set_long(handle, CURLOPT_NOBODY, 1) }
    // Asked with the address that was looked up, so that no second lookup can change it.
    _ = cc_set_opensocket(handle, openSocket)
    _ = cc_set_prerequest(handle, onConnection)
    if !call.allowsPrivateAddresses {
      // A pooled connection was not checked by this call.
      _ = cc_set_long(handle, CURLOPT_FRESH_CONNECT, 1)
      _ = cc_set_long(handle, CURLOPT_FORBID_REUSE, 1)
    }
    if let names { _ = cc_set_pointer(handle, CURLOPT_SHARE, UnsafeMutableRawPointer(names)) }
    // The loop owns both, and outlives every handle.
    _ = cc_set_closesocket(
      handle, closeWatchedSocket, Unmanaged.passUnretained(sockets).toOpaque())
    _ = cc_set_callback(handle, CURLOPT_HEADERFUNCTION, onHeader)
    _ = cc_set_callback(handle, CURLOPT_WRITEFUNCTION, onBody)
  }

  /// What is each call's own.
  private func prepare(_ handle: UnsafeMutableRawPointer, _ transfer: LoopTransfer) {
    let call = transfer.call
    let waited = MachineClock.now.seconds(since: transfer.postedAt)
    _ = cc_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(call.timeouts.connect - waited))
    _ = cc_set_long(handle, CURLOPT_TIMEOUT_MS, milliseconds(call.timeouts.total - waited))
    if call.method != "HEAD", call.method != "GET" || !call.body.isEmpty {
      call.body.withUnsafeBytes { bytes in
        _ = cc_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count))
        let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        _ =
          bytes.isEmpty
          ? cc_set_string(handle, CURLOPT_COPYPOSTFIELDS, "")
          : cc_set_string(handle, CURLOPT_COPYPOSTFIELDS, base)
      }
      if call.method != "POST" { _ = cc_set_string(handle, CURLOPT_CUSTOMREQUEST, call.method) }
    }
    setFields(handle, call.headers)
    let me = transfer.address
    _ = cc_set_pointer(handle, CURLOPT_PRIVATE, me)
    _ = cc_set_pointer(handle, CURLOPT_HEADERDATA, me)
    _ = cc_set_pointer(handle, CURLOPT_WRITEDATA, me)
    _ = cc_set_pointer(handle, CURLOPT_OPENSOCKETDATA, me)
    _ = cc_set_pointer(handle, CURLOPT_PREREQDATA, me)
  }

  private func setFields(
    _ handle: UnsafeMutableRawPointer, _ new: [(name: String, value: String)]
  ) {
    let old = fields[handle]
    if let old, old.sent.elementsEqual(new, by: ==) { return }
    // No wait for 100-continue before bodies over 1 MiB.
    var list = curl_slist_append(nil, "Expect:")
    for field in new { list = curl_slist_append(list, "\(field.name): \(field.value)") }
    _ = cc_set_list(handle, CURLOPT_HTTPHEADER, list)
    if let list = old?.list { curl_slist_free_all(list) }
    fields[handle] = Fields(sent: new, list: list)
  }

  private func milliseconds(_ seconds: Double) -> Int { max(1, Int(min(seconds, 86_400) * 1000)) }
}

// Free functions: libcurl calls them on the loop's thread, outside any actor.

/// Opens a socket for a call, if its address is allowed and there is a descriptor for it.
private func openSocket(
  _ transfer: UnsafeMutableRawPointer?, _ purpose: curlsocktype,
  _ address: UnsafeMutablePointer<curl_sockaddr>?
) -> curl_socket_t {
  guard let transfer, let address else { return CURL_SOCKET_BAD }
  let owner = LoopTransfer.at(transfer)
  let isAllowed =
    owner.call.allowsPrivateAddresses
    || withUnsafePointer(to: &address.pointee.addr) { isPublicAddress($0) }
  guard isAllowed else { return CURL_SOCKET_BAD }
  return owner.openSocket(
    address.pointee.family, address.pointee.socktype, address.pointee.protocol)
}

/// A call has its connection, a new one or one that was open.
private func onConnection(
  _ transfer: UnsafeMutableRawPointer?, _ theirs: UnsafeMutablePointer<CChar>?,
  _ ours: UnsafeMutablePointer<CChar>?, _ theirPort: Int32, _ ourPort: Int32
) -> Int32 {
  if let transfer { LoopTransfer.at(transfer).settle() }
  return Int32(CURL_PREREQFUNC_OK)
}

private func onHeader(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
  _ transfer: UnsafeMutableRawPointer?
) -> Int {
  guard let transfer else { return 0 }
  LoopTransfer.at(transfer).receive(
    field: UnsafeRawBufferPointer(start: bytes, count: size * count))
  return size * count
}

private func onBody(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
  _ transfer: UnsafeMutableRawPointer?
) -> Int {
  guard let transfer else { return 0 }
  return LoopTransfer.at(transfer).receive(
    body: UnsafeRawBufferPointer(start: bytes, count: size * count))
}

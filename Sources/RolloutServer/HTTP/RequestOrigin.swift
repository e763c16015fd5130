import HTTPKit
import HTTPServerKit

/// Where a request comes from, as far as that can be known.
extension RequestView {
  /// Whether it was sent on this machine, and not on behalf of somebody elsewhere.
  var isLocal: Bool { peer.isLoopback && !isForwarded }

  /// Whether it was sent on this machine and to a name that can only mean it: nobody
  /// could read along.
  var isToThisMachine: Bool {
    isLocal && (field("host").map { isLoopback(authority: $0.string[...]) } ?? false)
  }

  /// Whether a proxy says that it passes the request on. No program that asks for itself sends one
  /// of these, so that any of them counts.
  private var isForwarded: Bool {
    Self.proxyFields.contains { field($0) != nil } || headerLines.hasName(beginning: "x-forwarded")
      || headerLines.hasName(beginning: "x-original-forwarded")
      || headerLines.hasName(beginning: "cf-") || headerLines.hasName(beginning: "x-envoy-")
  }

  /// By which proxies and their operators name who asked, besides `X-Forwarded…` and Cloudflare's.
  private static let proxyFields: [StaticString] = [
    "forwarded", "via", "x-real-ip", "true-client-ip", "x-client-ip", "client-ip",
    "x-cluster-client-ip", "fastly-client-ip", "x-remote-ip", "x-remote-addr", "x-real-host",
    "x-proxyuser-ip", "wl-proxy-client-ip", "proxy-client-ip", "x-azure-clientip",
    "x-azure-socketip", "x-appengine-user-ip", "x-nf-client-connection-ip", "fly-client-ip",
    "do-connecting-ip", "x-vercel-forwarded-for", "ali-cdn-real-ip", "cdn-src-ip", "cdn-loop",
    "x-originating-ip", "x-host", "x-coming-from",
  ]

  /// Whose failures are counted together: the peer, or whom a proxy on this machine names. What
  /// others say of themselves is not believed. In a list the proxy's own word is the last.
  var client: PeerAddress {
    guard peer.isLoopback, let list = field("x-forwarded-for") else { return peer.network }
    let last = list.string.split(separator: ",").last.map { $0.trimmingSpaces }
    return (last.flatMap { PeerAddress(String($0)) } ?? peer).network
  }

  /// The first part that shows a page from elsewhere behind the request; nil when there is none.
  ///
  /// Without tokens only the address protects the server, and a browser on this machine reaches
  /// that for any page: a page that sends across sites says so in `Origin`, and one whose name was
  /// rebound to our address brings that name as `Host`.
  var foreignField: String? {
    // A target with a name of its own counts before the field, which may say anything then.
    if let authority, !isLoopback(authority: authority.string[...]) { return "the target" }
    if let host = field("host"), !isLoopback(authority: host.string[...]) { return "Host" }
    if let origin = field("origin") {
      let text = origin.string.lowercased()
      let scheme = ["http://", "https://"].first { text.hasPrefix($0) }
      guard let scheme, isLoopback(authority: text.dropFirst(scheme.count)) else {
        return "Origin"
      }
    }
    return nil
  }
}

/// Whether `name`, `name:port` or `[address]:port` is this machine by every resolver's word:
/// `localhost`, what ends in `.localhost` (RFC 6761 §6.3), 127.0.0.0/8 or ::1.
private func isLoopback(authority: Substring) -> Bool {
  var host = authority.lowercased()[...]
  if host.hasPrefix("[") {
    guard let end = host.firstIndex(of: "]") else { return false }
    let port = host[host.index(after: end)...]
    guard port.isEmpty || isPort(port) else { return false }
    return PeerAddress(String(host[host.index(after: host.startIndex)..<end]))?.isLoopback == true
  }
  if let colon = host.lastIndex(of: ":") {
    guard isPort(host[colon...]) else { return false }
    host = host[..<colon]
  }
  if host.hasSuffix(".") { host.removeLast() }
  if host == "localhost" || host.hasSuffix(".localhost") { return true }
  return !host.contains(":") && PeerAddress(String(host))?.isLoopback == true
}

/// `:8080`; a colon alone is the default port.
private func isPort(_ text: Substring) -> Bool {
  text.hasPrefix(":") && text.dropFirst().allSatisfy { $0.isASCII && $0.isNumber }
}

extension Substring {
  fileprivate var trimmingSpaces: Substring {
    var text = self
    while text.first == " " || text.first == "\t" { text.removeFirst() }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return text
  }
}

import HTTPKit
import RolloutCore

/// One line of the route table: what is asked, who may ask, who answers.
struct Route: Sendable {
  enum Access: Sendable {
    case open
    /// Any one of these scopes (admin has them all).
    case scopes([Scope])
  }

  enum Action: Sendable {
    /// Answered on the loop, from memory.
    case inline(@Sendable (InlineRequest, inout Reply) -> Void)
    /// Answered by a task.
    case task(@Sendable (APIRequest) async throws -> HTTPResponse)
    /// Answers through the exchange itself, whole or streamed.
    case exchange(@Sendable (APIRequest, Exchange) async -> Void)
  }

  let method: HTTPMethod
  /// `/v1/plans/{feature}/events`: braces name a parameter, which is one whole segment.
  let pattern: String
  let access: Access
  let bodySizeMax: Int
  let action: Action
  /// UTF-8 of each segment; nil for a parameter.
  let segments: [[UInt8]?]

  init(
    _ method: HTTPMethod, _ pattern: String, _ access: Access, bodySizeMax: Int = 1 << 20,
    _ action: Action
  ) {
    self.method = method
    self.pattern = pattern
    self.access = access
    self.bodySizeMax = bodySizeMax
    self.action = action
    segments = pattern.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
      .map { $0.hasPrefix("{") ? nil : Array($0.utf8) }
  }

  func matches(_ path: [ByteView]) -> Bool {
    guard path.count == segments.count else { return false }
    for (segment, view) in zip(segments, path) {
      guard let segment else {
        if view.isEmpty { return false }
        continue
      }
      guard segment.count == view.count, view.buffer.elementsEqual(segment) else { return false }
    }
    return true
  }
}

/// Finds the route of a request.
struct RouteTable: Sendable {
  enum Match {
    case route(Int)
    /// The path is known, the method is not allowed on it.
    case methodNotAllowed(allow: String)
    case unknown
  }

  let routes: [Route]

  func match(_ method: HTTPMethod, _ path: ByteView) -> Match {
    let segments = split(path)
    // HEAD wherever GET is.
    let wanted = method == .head ? .get : method
    var allowed: [HTTPMethod] = []
    for (index, route) in routes.enumerated() where route.matches(segments) {
      if route.method == wanted { return .route(index) }
      allowed.append(route.method)
    }
    guard !allowed.isEmpty else { return .unknown }
    if allowed.contains(.get) { allowed.append(.head) }
    return .methodNotAllowed(allow: allowed.map(\.rawValue).joined(separator: ", "))
  }

  /// The parameters of a matched path, still percent-encoded.
  func parameters(_ route: Route, _ path: ByteView) -> [ByteView] {
    zip(route.segments, split(path)).compactMap { $0 == nil ? $1 : nil }
  }

  private func split(_ path: ByteView) -> [ByteView] {
    var segments: [ByteView] = []
    // A trailing slash means the same resource: some OFREP clients send one.
    let end =
      path.count > 1 && path[path.count - 1] == UInt8(ascii: "/") ? path.count - 1 : path.count
    var start = 1
    while start <= end {
      let slash = path[0..<end].firstIndex(of: UInt8(ascii: "/"), from: start) ?? end
      segments.append(path[start..<slash])
      start = slash + 1
    }
    return segments.isEmpty ? [.empty] : segments
  }
}

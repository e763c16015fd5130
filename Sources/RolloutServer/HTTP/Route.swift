import HTTPKit
import RolloutCore

/// One line of the route table: what is asked, who may ask, who answers. A class, so that handing
/// it on costs one reference and not five.
final class Route: Sendable {
  enum Access: Sendable {
    case open
    /// Any one of these scopes (admin has them all).
    case scopes([Scope])
  }

  enum Action: Sendable {
    /// Answered on the loop, from memory.
    case inline(@Sendable (InlineRequest, Reply) -> Void)
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
  /// Which segments are parameters, counted from 0.
  let parameterPositions: [Int]

  init(
    _ method: HTTPMethod, _ pattern: String, _ access: Access, bodySizeMax: Int = 1 << 20,
    _ action: Action
  ) {
    self.method = method
    self.pattern = pattern
    self.access = access
    self.bodySizeMax = bodySizeMax
    self.action = action
    parameterPositions = pattern.split(separator: "/").enumerated()
      .filter { $0.element.hasPrefix("{") }.map(\.offset)
  }

  /// The parameter at `index` of a path that matches, still percent-encoded.
  func parameter(_ index: Int, of path: ByteView) -> ByteView {
    var segments = PathSegments(path)
    for _ in 0..<parameterPositions[index] { _ = segments.next() }
    return segments.next() ?? .empty
  }
}

/// The segments of a path, one after the other. A trailing slash means the same resource: some
/// OFREP clients send one.
struct PathSegments {
  private let path: ByteView
  private let end: Int
  private var start = 1

  init(_ path: ByteView) {
    self.path = path
    end = path.count > 1 && path[path.count - 1] == UInt8(ascii: "/") ? path.count - 1 : path.count
  }

  mutating func next() -> ByteView? {
    guard start <= end, end > 1 else { return nil }
    let slash = path[0..<end].firstIndex(of: UInt8(ascii: "/"), from: start) ?? end
    defer { start = slash + 1 }
    return path[start..<slash]
  }
}

/// Finds the route of a request by walking a tree of segments.
final class RouteTable: Sendable {
  enum Match {
    case route(Int)
    /// The path is known, the method is not allowed on it.
    case methodNotAllowed(allow: String)
    case unknown
  }

  private struct Node: Sendable {
    var literals: [(segment: [UInt8], node: Int)] = []
    var parameter: Int?
    var endpoints: [(method: HTTPMethod, route: Int)] = []
  }

  let routes: [Route]
  private let nodes: [Node]

  /// A segment is a literal or a parameter of its parent, literals first; patterns that would need
  /// more are our bug.
  init(routes: [Route]) {
    self.routes = routes
    var nodes = [Node()]
    for (index, route) in routes.enumerated() {
      var at = 0
      for segment in route.pattern.split(separator: "/") {
        let isParameter = segment.hasPrefix("{")
        let literal = Array(segment.utf8)
        let known =
          isParameter
          ? nodes[at].parameter : nodes[at].literals.first { $0.segment == literal }?.node
        if known == nil {
          nodes.append(Node())
          if isParameter {
            nodes[at].parameter = nodes.count - 1
          } else {
            nodes[at].literals.append((literal, nodes.count - 1))
          }
        }
        at = known ?? nodes.count - 1
      }
      nodes[at].endpoints.append((route.method, index))
    }
    self.nodes = nodes
  }

  func match(_ method: HTTPMethod, _ path: ByteView) -> Match {
    var segments = PathSegments(path)
    var at = 0
    while let segment = segments.next() {
      guard let next = child(of: at, segment) else { return .unknown }
      at = next
    }
    // HEAD wherever GET is.
    let wanted = method == .head ? .get : method
    for endpoint in nodes[at].endpoints where endpoint.method == wanted {
      return .route(endpoint.route)
    }
    var allowed = nodes[at].endpoints.map(\.method)
    guard !allowed.isEmpty else { return .unknown }
    if allowed.contains(.get) { allowed.append(.head) }
    return .methodNotAllowed(allow: allowed.map(\.rawValue).joined(separator: ", "))
  }

  private func child(of node: Int, _ segment: ByteView) -> Int? {
    for index in nodes[node].literals.indices {
      let isSame = nodes[node].literals[index].segment.withUnsafeBufferPointer { literal in
        ByteView(literal).equals(segment)
      }
      if isSame { return nodes[node].literals[index].node }
    }
    return segment.isEmpty ? nil : nodes[node].parameter
  }
}

import HTTPKit
import HTTPServerKit
import RolloutCore

/// One line of the route table: what is asked, who may ask, who answers. A class, so that handing
/// it on costs one reference and not five.
final class Route: Sendable {
  enum Access: Sendable {
    case open
    /// Any one of these scopes (admin has them all).
    case scopes([Scope])
    /// The same, but open to requests that the condition lets pass.
    case scopesUnless(@Sendable (RequestView) -> Bool, [Scope])

    var scopes: [Scope] {
      switch self {
      case .open: []
      case .scopes(let scopes), .scopesUnless(_, let scopes): scopes
      }
    }
  }

  /// What becomes of a token that is limited to some features.
  enum FeatureLimit: Sendable {
    /// Refused: the route is about more than those.
    case refused
    /// Let in where the path's first parameter is one of them.
    case path
    /// Let in: the handler shows and changes nothing else.
    case respected
  }

  /// What stands behind the `?` of its addresses.
  enum Query: Sendable {
    /// Parameters of which the handler knows every one; it refuses others.
    case checked
    /// Nothing; anything is refused, for a misspelt one must not be ignored silently.
    case none
    /// What strangers' clients and pages put there, which means nothing here.
    case ignored
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
  let featureLimit: FeatureLimit
  let query: Query
  let bodySizeMax: Int
  /// Whether a larger body is answered 503 and not 413: to those who give up after a 4xx.
  let oversizeIsUnavailable: Bool
  /// Which requests have to wait for their turn among the long reads; only of a task.
  let isLong: @Sendable (RequestView) -> Bool
  /// The scopes of `access`; empty where none is needed.
  let scopes: ScopeSet
  let action: Action
  /// Which segments are parameters, counted from 0.
  let parameterPositions: [Int]
  /// Where the first parameter begins in every path that matches.
  private let firstParameter: Int

  init(
    _ method: HTTPMethod, _ pattern: String, _ access: Access,
    featureLimit: FeatureLimit = .refused, query: Query = .checked, bodySizeMax: Int = 1 << 20,
    oversizeIsUnavailable: Bool = false,
    isLong: @escaping @Sendable (RequestView) -> Bool = { _ in false }, _ action: Action
  ) {
    self.method = method
    self.pattern = pattern
    self.access = access
    self.featureLimit = featureLimit
    self.query = query
    scopes = ScopeSet(access.scopes)
    self.bodySizeMax = bodySizeMax
    self.oversizeIsUnavailable = oversizeIsUnavailable
    self.isLong = isLong
    self.action = action
    parameterPositions = pattern.split(separator: "/").enumerated()
      .filter { $0.element.hasPrefix("{") }.map(\.offset)
    firstParameter = pattern.utf8.prefix { $0 != UInt8(ascii: "{") }.count
  }

  /// Whether this request needs no token.
  func isOpen(to request: RequestView) -> Bool {
    if scopes.isEmpty { return true }
    guard case .scopesUnless(let condition, _) = access else { return false }
    return condition(request)
  }

  /// Why a principal may not use it on this path, whatever it asks; nil when it may.
  func obstacle(for principal: Principal, _ path: ByteView) -> String? {
    guard principal.hasAny(of: scopes) else {
      return "The token lacks the scope for this; ask an admin."
    }
    guard let features = principal.features else { return nil }
    switch featureLimit {
    case .respected: return nil
    case .path:
      let isOne = percentDecoded(parameter(0, of: path)).map(features.contains) ?? false
      return isOne ? nil : "The token is limited to other features."
    case .refused:
      return "The token is limited to some features, and this is about more; "
        + "use one without that limit."
    }
  }

  /// The parameter at `index` of a path that matches, still percent-encoded.
  func parameter(_ index: Int, of path: ByteView) -> ByteView {
    if index == 0 {
      let end = path.firstIndex(of: UInt8(ascii: "/"), from: firstParameter) ?? path.count
      return path[firstParameter..<end]
    }
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
    /// OPTIONS of a known path, or of the server.
    case options(allow: String)
    /// The path is known, the method is not allowed on it; `others` are the routes there are.
    case methodNotAllowed(allow: String, others: [Int])
    case unknown
  }

  /// All numbers index the arrays below, so that walking touches no reference count.
  private struct Node: Sendable {
    var literals: Range<Int32> = 0..<0
    var endpoints: Range<Int32> = 0..<0
    var parameter: Int32 = -1
  }

  private struct Literal: Sendable {
    var text: Range<Int32>
    var node: Int32
  }

  let routes: [Route]
  private let nodes: [Node]
  private let literals: [Literal]
  private let text: [UInt8]
  private let endpoints: [(method: HTTPMethod, route: Int32)]

  /// A segment is a literal or a parameter of its parent, literals first; patterns that would need
  /// more are our bug.
  init(routes: [Route]) {
    self.routes = routes
    let tree = Tree(routes)
    var nodes: [Node] = []
    var literals: [Literal] = []
    var text: [UInt8] = []
    var endpoints: [(method: HTTPMethod, route: Int32)] = []
    for branch in tree.branches {
      var node = Node(parameter: Int32(branch.parameter ?? -1))
      let firstLiteral = Int32(literals.count)
      for literal in branch.literals {
        let start = Int32(text.count)
        text += literal.segment
        literals.append(Literal(text: start..<Int32(text.count), node: Int32(literal.branch)))
      }
      node.literals = firstLiteral..<Int32(literals.count)
      let firstEndpoint = Int32(endpoints.count)
      endpoints += branch.endpoints.map { ($0.method, Int32($0.route)) }
      node.endpoints = firstEndpoint..<Int32(endpoints.count)
      nodes.append(node)
    }
    self.nodes = nodes
    self.literals = literals
    self.text = text
    self.endpoints = endpoints
  }

  /// The patterns as a tree, before it is laid flat.
  private struct Tree {
    struct Branch {
      var literals: [(segment: [UInt8], branch: Int)] = []
      var parameter: Int?
      var endpoints: [(method: HTTPMethod, route: Int)] = []
    }

    var branches = [Branch()]

    init(_ routes: [Route]) {
      for (index, route) in routes.enumerated() {
        var at = 0
        for segment in route.pattern.split(separator: "/") { at = child(of: at, String(segment)) }
        branches[at].endpoints.append((route.method, index))
      }
    }

    private mutating func child(of parent: Int, _ segment: String) -> Int {
      let isParameter = segment.hasPrefix("{")
      let literal = Array(segment.utf8)
      let known =
        isParameter
        ? branches[parent].parameter
        : branches[parent].literals.first { $0.segment == literal }?.branch
      if let known { return known }
      branches.append(Branch())
      if isParameter {
        branches[parent].parameter = branches.count - 1
      } else {
        branches[parent].literals.append((literal, branches.count - 1))
      }
      return branches.count - 1
    }
  }

  /// What `OPTIONS *` says: every method that is allowed somewhere.
  private var allowedAnywhere: String {
    var methods: [HTTPMethod] = [.get, .head]
    for endpoint in endpoints where !methods.contains(endpoint.method) {
      methods.append(endpoint.method)
    }
    return (methods + [.options]).map(\.rawValue).joined(separator: ", ")
  }

  func match(_ method: HTTPMethod, _ path: ByteView) -> Match {
    if path.equals("*") { return .options(allow: allowedAnywhere) }
    var segments = PathSegments(path)
    var at = 0
    while let segment = segments.next() {
      guard let next = child(of: at, segment) else { return .unknown }
      at = next
    }
    // HEAD wherever GET is.
    let wanted = method == .head ? .get : method
    for index in nodes[at].endpoints where endpoints[Int(index)].method == wanted {
      return .route(Int(endpoints[Int(index)].route))
    }
    var allowed = nodes[at].endpoints.map { endpoints[Int($0)].method }
    guard !allowed.isEmpty else { return .unknown }
    if allowed.contains(.get) { allowed.append(.head) }
    allowed.append(.options)
    let allow = allowed.map(\.rawValue).joined(separator: ", ")
    if method == .options { return .options(allow: allow) }
    let others = nodes[at].endpoints.map { Int(endpoints[Int($0)].route) }
    return .methodNotAllowed(allow: allow, others: others)
  }

  private func child(of node: Int, _ segment: ByteView) -> Int? {
    for index in nodes[node].literals {
      let literal = literals[Int(index)]
      guard literal.text.count == segment.count else { continue }
      let start = Int(literal.text.lowerBound)
      if segment.equals(text, from: start) { return Int(literal.node) }
    }
    guard !segment.isEmpty, nodes[node].parameter >= 0 else { return nil }
    return Int(nodes[node].parameter)
  }
}

extension ByteView {
  /// Whether `text` holds these bytes from `start` on.
  fileprivate func equals(_ text: [UInt8], from start: Int) -> Bool {
    for index in 0..<count where text[start + index] != self[index] { return false }
    return true
  }
}

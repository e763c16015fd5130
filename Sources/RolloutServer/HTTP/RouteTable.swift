import HTTPKit
import HTTPServerKit
import RolloutCore

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

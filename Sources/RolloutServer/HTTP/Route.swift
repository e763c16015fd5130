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

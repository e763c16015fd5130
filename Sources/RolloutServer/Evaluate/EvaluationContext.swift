import DocumentKit
import RolloutAPI
import RolloutCore

/// A user as a request describes them.
struct EvaluationContext: Sendable {
  /// nil when there is none; an empty one counts as none.
  var user: String?
  var attributes = Attributes()

  init(user: String?, attributes: Attributes = [:]) {
    self.user = user
    self.attributes = attributes
  }

  /// From `{"id":"u1","attributes":{"email":"a@acme.com"}}`.
  init(native document: Document?) throws(Problem) {
    guard let document else {
      throw Problem(.badRequest, "user is missing: send {\"user\":{\"id\":\"…\"}}.")
    }
    do throws(DocumentError) {
      var reader = try ObjectReader(document, path: "user")
      user = try reader.string("id")
      if var list = try reader.object("attributes") {
        attributes = try Self.attributes(list.all(), path: list.path)
      }
      try reader.finish()
    } catch { throw Problem(.badRequest, "\(error)") }
    try check()
  }

  /// From an OpenFeature context: `targetingKey` and, beside it, attributes. Nested values cannot
  /// be matched by a rule and are left out.
  init(openFeature members: [Document.Member]) throws(Problem) {
    for member in members {
      if member.key == "targetingKey" {
        guard let text = member.value.string else {
          throw Problem(.badRequest, "targetingKey must be a string.")
        }
        user = text
      } else if let value = AttributeValue(member.value) {
        attributes.append(member.key, value)
      }
    }
    try check()
  }

  /// From the `attributes` of an outcome.
  init(outcome members: [Document.Member]) throws(Problem) {
    do throws(DocumentError) { attributes = try Self.attributes(members, path: "attributes") } catch
    { throw Problem(.badRequest, "\(error)") }
    try check()
  }

  private static func attributes(
    _ members: [Document.Member], path: String
  ) throws(DocumentError) -> Attributes {
    var attributes = Attributes()
    for member in members {
      guard let value = AttributeValue(member.value) else {
        throw DocumentError(
          "An attribute is text, a number or a boolean, not \(member.value.kind).",
          at: member.value.position, path: "\(path).\(member.key)")
      }
      attributes.append(member.key, value)
    }
    return attributes
  }

  mutating func check() throws(Problem) {
    if user?.isEmpty == true { user = nil }
    guard (user?.utf8.count ?? 0) <= UserID.lengthMax else {
      throw Problem(.badRequest, "A user id is at most \(UserID.lengthMax) bytes.")
    }
    if let excess = attributes.excess { throw Problem(.badRequest, excess) }
  }
}

extension CompiledPlan {
  /// Throws `UserRequired` when a percentage would have to decide without a user id.
  func decide(_ context: EvaluationContext) throws(UserRequired) -> Decision {
    guard let user = context.user else {
      return try decide(user: nil, attributes: context.attributes)
    }
    let bytes = Array(user.utf8)
    return try decide(user: bytes.span, attributes: context.attributes)
  }
}

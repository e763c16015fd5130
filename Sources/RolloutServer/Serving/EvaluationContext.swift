import DocumentKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation

/// A user as a request describes them.
struct EvaluationContext: Sendable {
  /// nil when there is none; an empty one counts as none.
  var user: String?
  var attributes = Attributes()
  /// Attributes of a form that no rule can compare; a plan whose rules compare one is not decided.
  private(set) var unusable: [String] = []

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

  /// From an OpenFeature context: `targetingKey` and, beside it, attributes. The context is the
  /// application's whole one: what is nested is refused only where a rule asks for it.
  init(openFeature members: [Document.Member]) throws(Problem) {
    for member in members {
      if member.value.isNull { continue }
      if member.key == "targetingKey" {
        guard let text = member.value.string else {
          throw Problem(.badRequest, "targetingKey must be a string.")
        }
        user = text
      } else if let value = AttributeValue(member.value) {
        attributes.append(member.key, value)
      } else {
        unusable.append(member.key)
        // It is there all the same, for `exists`.
        attributes.append(member.key, .list([]))
      }
    }
    try check()
  }

  /// From the attributes alone; `path` is for errors.
  init(attributes members: [Document.Member], path: String = "attributes") throws(Problem) {
    do throws(DocumentError) { attributes = try Self.attributes(members, path: path) } catch {
      throw Problem(.badRequest, "\(error)")
    }
    try check()
  }

  private static func attributes(
    _ members: [Document.Member], path: String
  ) throws(DocumentError) -> Attributes {
    var attributes = Attributes()
    // null means absent.
    for member in members where !member.value.isNull {
      guard let value = AttributeValue(member.value) else {
        throw DocumentError(
          "\(Self.attributeForm); found \(Self.found(member.value)).", at: member.value.position,
          path: "\(path).\(member.key)")
      }
      attributes.append(member.key, value)
    }
    return attributes
  }

  static let attributeForm =
    "An attribute is text, a number, a boolean, or a list of up to \(AttributeValue.elementsMax) of "
    + "these"

  private static func found(_ value: Document) -> String {
    guard let elements = value.array else { return value.kind }
    guard elements.count <= AttributeValue.elementsMax else { return "\(elements.count) elements" }
    let odd = elements.first { $0.array != nil || AttributeValue($0) == nil }
    return "a list with \(odd?.kind ?? "more") in it"
  }

  mutating func check() throws(Problem) {
    if user?.isEmpty == true { user = nil }
    guard (user?.utf8.count ?? 0) <= UserID.lengthMax else {
      throw Problem(.badRequest, "A user id is at most \(UserID.lengthMax) bytes.")
    }
    if let excess = attributes.excess { throw Problem(.badRequest, excess.words) }
  }
}

extension CompiledPlan {
  /// The attribute that this plan compares and cannot, in words; nil when there is none.
  func unusableAttribute(in context: EvaluationContext) -> String? {
    let compared = evaluator.comparedAttributes
    guard let name = context.unusable.first(where: compared.contains) else { return nil }
    return
      "\(plan.feature) looks at the attribute \(quoted(name)), which is not one it can compare. "
      + "\(EvaluationContext.attributeForm)."
  }

  /// Throws `UserRequired` when a percentage would have to decide without a user id.
  func decide(_ context: EvaluationContext) throws(UserRequired) -> Decision {
    guard let user = context.user else {
      return try evaluator.decide(user: nil, attributes: context.attributes)
    }
    let bytes = Array(user.utf8)
    return try evaluator.decide(user: bytes.span, attributes: context.attributes)
  }
}

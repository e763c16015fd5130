import DocumentKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutGateway

/// What somebody asks of a feature's AI, whatever it came in on.
struct AIRequest: Sendable {
  let compiled: CompiledPlan
  /// As the caller wrote it.
  let chat: ChatRequest
  /// Which app asks: its token's id.
  let app: String
  /// Whose questions they are counted among.
  let account: Int
  /// Whom it is for.
  let context: EvaluationContext
  /// Whether the answer is wanted as it comes.
  let isStreamed: Bool
  /// Whether nobody waits for the answer in person.
  let isBatch: Bool
  /// Whether who asks would be let in still; asked before money is spent, after every wait.
  let isInForce: @Sendable () -> Bool

  /// `user` is whom the caller names beside the chat; without one, whom the chat itself names. An
  /// empty name means none, and leaves the word to the next. Throws for a user or attributes that
  /// cannot be decided on.
  init(
    _ chat: ChatRequest, of plan: CompiledPlan, app: String?, user: String?, attributes: Attributes,
    isStreamed: Bool = false, isBatch: Bool = false,
    isInForce: @escaping @Sendable () -> Bool = { true }
  ) throws(Problem) {
    compiled = plan
    self.chat = chat
    self.app = app ?? Self.nobody
    account = app.map(Principal.account(of:)) ?? 0
    self.isStreamed = isStreamed
    self.isBatch = isBatch
    self.isInForce = isInForce
    let names = [
      user, chat["user"]?.string, chat["safety_identifier"]?.string,
      chat["metadata"]?["user_id"]?.string,
    ]
    var context = EvaluationContext(
      user: names.lazy.compactMap { $0 }.first { !$0.isEmpty }, attributes: attributes)
    try context.check()
    self.context = context
  }

  /// Stands for the app of those without a token.
  static let nobody = "anonymous"
}

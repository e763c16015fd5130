/// What `AIService` says to a request: a value, which each dialect writes in its own form.
enum AIReply: ~Copyable {
  case whole(AICall, AIAnswer)
  /// Its first content is there; whoever takes it has to pass it on.
  case stream(AnswerStream)
}

/// Starts tasks that nobody waits for; injected, so that a simulation runs each of their steps
/// itself, in an order of its own.
package struct TaskStarter: Sendable {
  private let begin: @Sendable (@escaping @Sendable () async -> Void) -> Task<Void, Never>

  package init(
    _ begin: @escaping @Sendable (@escaping @Sendable () async -> Void) -> Task<Void, Never>
  ) {
    self.begin = begin
  }

  /// Where tasks run that say nothing else.
  package static let system = TaskStarter { work in Task { await work() } }

  @discardableResult
  package func start(_ work: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
    begin(work)
  }
}

import Glibc

/// What an impatient Ctrl-C may not cut in two.
enum Interrupts {
  /// Does all of `work`: an interrupt that comes meanwhile changes nothing.
  static func held<Value>(_ work: () async throws -> Value) async rethrows -> Value {
    let before = signal(SIGINT, SIG_IGN)
    defer { signal(SIGINT, before) }
    return try await work()
  }
}

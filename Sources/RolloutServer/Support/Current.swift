import Synchronization

/// A value that is replaced whole while others read it: who has taken it keeps what he took.
final class Current<Value: Sendable>: Sendable {
  private let held: Mutex<Value>

  init(_ value: Value) { held = Mutex(value) }

  var value: Value { held.withLock { $0 } }
  func replace(with value: Value) { held.withLock { $0 = value } }
}

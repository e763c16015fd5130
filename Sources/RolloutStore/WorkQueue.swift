import Glibc

/// A queue that one thread sleeps on. The rest of the program appends and never waits.
///
/// `@unchecked Sendable`: every field is read and written between lock and unlock of `mutex` only.
final class WorkQueue<Element: Sendable>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var elements: [Element] = []
  /// What can wait.
  private var aside: [Element] = []
  /// Whether what can wait has its turn.
  private var isAsideNext = false
  private var closed = false

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// False once the queue is closed.
  func append(_ element: Element, isAside: Bool = false) -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    guard !closed else { return false }
    if isAside { aside.append(element) } else { elements.append(element) }
    pthread_cond_signal(condition)
    return true
  }

  /// Everything queued, or in turn with it one of those that can wait; waits for at least one. nil
  /// once closed and empty.
  func takeAll() -> [Element]? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while elements.isEmpty || isAsideNext {
      isAsideNext = false
      if !aside.isEmpty { return [aside.removeFirst()] }
      if !elements.isEmpty { break }
      if closed { return nil }
      pthread_cond_wait(condition, mutex)
      // Whoever woke us has more to say if it is let: what comes together is written together.
      pthread_mutex_unlock(mutex)
      sched_yield()
      pthread_mutex_lock(mutex)
    }
    isAsideNext = true
    defer { elements = [] }
    return elements
  }

  func close() {
    pthread_mutex_lock(mutex)
    closed = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }
}

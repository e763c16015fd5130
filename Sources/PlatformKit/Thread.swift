internal import CPlatform
import Glibc

/// Processors this process may run on.
package func processorCount() -> Int {
  let allowed = Int(cp_processors())
  return allowed > 0 ? allowed : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
}

/// Starts a detached thread with a name that `top -H` shows.
package func startThread(named name: String, _ body: sending @escaping () -> Void) {
  let box = Unmanaged.passRetained(ThreadBody(name: name, run: body)).toOpaque()
  var thread = pthread_t()
  let result = pthread_create(&thread, nil, threadMain, box)
  precondition(result == 0, "out of threads at start-up")
  pthread_detach(thread)
}

private final class ThreadBody {
  let name: String
  let run: () -> Void

  init(name: String, run: @escaping () -> Void) {
    self.name = name
    self.run = run
  }
}

/// A free function: a closure made in an isolated context would trap on a foreign thread.
private func threadMain(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let raw else { return nil }
  let body = Unmanaged<ThreadBody>.fromOpaque(raw).takeRetainedValue()
  pthread_setname_np(pthread_self(), String(body.name.prefix(15)))
  body.run()
  return nil
}

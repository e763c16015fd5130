import DocumentKit
import Glibc
import HTTPKit
import RolloutCore
import RolloutStore

@main
enum Main {
  static func main() async {
    // Before any thread starts, so that all inherit it: signals are taken by `waitForSignal` alone.
    blockSignals()
    do {
      let options = try ServerOptions(Array(CommandLine.arguments.dropFirst())) { name in
        getenv(name).map { String(cString: $0) }
      }
      if options.showsHelp {
        complain(ServerOptions.usage, to: STDOUT_FILENO)
        return
      }
      try await run(options)
    } catch let error as UsageError {
      complain("rollout-server: \(error)\n\n\(ServerOptions.usage)")
      exit(2)
    } catch let error as ConfigurationError {
      complain("rollout-server: \(error)\n")
      exit(78)
    } catch {
      complain("rollout-server: \(error)\n")
      exit(1)
    }
  }

  private static func run(_ options: ServerOptions) async throws {
    let configuration =
      try options.config.map(ServerConfiguration.load) ?? ServerConfiguration()
    if options.checksConfigOnly {
      complain("\(options.config ?? "the default configuration"): ok\n", to: STDOUT_FILENO)
      return
    }
    raiseDescriptorLimit()
    var environment = Application.Environment()
    if let folder = options.migrations {
      environment.migrations = try loadMigrations(folder)
    }
    let application = try await Application(options, configuration, environment)
    await waitForSignal()
    // A second signal ends the process at once.
    startThread(named: "signals") { exit(waitForSignalBlocking() == SIGTERM ? 143 : 130) }
    await application.shutDown()
  }

  private static func complain(_ text: String, to descriptor: Int32 = STDERR_FILENO) {
    let bytes = Array(text.utf8)
    _ = write(descriptor, bytes, bytes.count)
  }
}

private func signalSet() -> sigset_t {
  var set = sigset_t()
  sigemptyset(&set)
  sigaddset(&set, SIGTERM)
  sigaddset(&set, SIGINT)
  return set
}

private func blockSignals() {
  var set = signalSet()
  pthread_sigmask(SIG_BLOCK, &set, nil)
}

private func waitForSignalBlocking() -> Int32 {
  var set = signalSet()
  var number: Int32 = 0
  while sigwait(&set, &number) != 0 {}
  return number
}

/// Waits on a thread of its own: a blocked task would take one of the few threads tasks run on.
private func waitForSignal() async {
  await withCheckedContinuation { continuation in
    startThread(named: "signals") {
      _ = waitForSignalBlocking()
      continuation.resume()
    }
  }
}

/// One descriptor per connection and per provider call: ask for all the system allows.
private func raiseDescriptorLimit() {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
  limit.rlim_cur = limit.rlim_max
  setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// Schema files from a folder, `0001-name.sql` and so on.
private func loadMigrations(_ folder: String) throws -> [Migration] {
  guard let directory = opendir(folder) else {
    throw ConfigurationError(description: "\(folder): \(String(cString: strerror(errno)))")
  }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    if name.hasSuffix(".sql") { names.append(name) }
  }
  return try names.sorted().map { name in
    guard let number = Int(name.prefix(4)) else {
      throw ConfigurationError(description: "\(folder)/\(name): a name starts with four digits")
    }
    let sql = String(decoding: try readFile("\(folder)/\(name)"), as: UTF8.self)
    return Migration(number: number, name: name, sql: sql)
  }
}

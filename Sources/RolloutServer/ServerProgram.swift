import DocumentKit
import Glibc
import PlatformKit
import RolloutStore

@main
enum ServerProgram {
  /// Synchronous on purpose: the main thread blocks the signals before any other thread exists, so
  /// that all inherit it, and then is the one that waits for them.
  static func main() {
    blockSignals()
    do {
      // To go on with the defaults would open another folder.
      guard let words = ProcessArguments.words else { throw UnreadableArguments() }
      let options = try ServerOptions(Array(words.dropFirst())) { name in
        getenv(name).map { String(cString: $0) }
      }
      if options.showsHelp {
        say(ServerOptions.usage)
        return
      }
      var environment = Application.Environment()
      if let folder = options.migrations {
        environment.migrations = try loadMigrations(folder)
      }
      if options.command == .adminToken { makeAdminToken(options, environment) }
      let configuration =
        try options.config.map(ServerConfiguration.load) ?? ServerConfiguration()
      if options.command == .checkConfig {
        say("\((options.config ?? "the default configuration").onOneLine): ok\n")
        return
      }
      serve(options, configuration, environment)
    } catch {
      fail(error)
    }
  }

  /// Starts the server. SIGHUP reads the configuration again; the first other signal ends the
  /// process once it has drained, the second at once.
  private static func serve(
    _ options: ServerOptions, _ configuration: ServerConfiguration,
    _ environment: Application.Environment
  ) -> Never {
    if let shortage = MemoryLimit.shortage(environment.memory) {
      complain(shortage)
      end(1)
    }
    raiseDescriptorLimit()
    let starting = Task {
      do { return try await Application(options, configuration, environment) } catch {
        fail(error)
      }
    }
    while waitForSignal() == SIGHUP {
      Task { await starting.value.reload() }
    }
    Task {
      await starting.value.shutDown()
      end(0)
    }
    end(128 + waitForEnd())
  }

  private static func makeAdminToken(
    _ options: ServerOptions, _ environment: Application.Environment
  ) -> Never {
    Task {
      do {
        let file = try await AdminToken.makeAnother(
          in: options.data, migrations: environment.migrations, clock: environment.clock)
        say("\(file.onOneLine)\n")
        exit(0)
      } catch { fail(error) }
    }
    exit(128 + waitForEnd())
  }

  private static func fail(_ error: any Error) -> Never {
    switch error {
    case is UsageError:
      complain("\("\(error)".onOneLine)\n\n\(ServerOptions.usage)")
      end(2)
    case is ConfigurationError:
      complain("\(error)".onOneLine)
      end(78)
    default:
      complain("\(error)".onOneLine)
      end(1)
    }
  }

  /// Ends the process once the log is out, or a second later: its reader may stand still.
  private static func end(_ status: Int32) -> Never {
    Log.standardErrorLines.flush(milliseconds: 1000)
    exit(status)
  }

  private static func say(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(STDOUT_FILENO, bytes, bytes.count)
  }

  private static func complain(_ text: String) {
    Log.standardErrorLines.write("rollout-server: \(text)")
  }
}

private struct UnreadableArguments: Error, CustomStringConvertible {
  let description =
    "the arguments cannot be read from /proc/self/cmdline, or are not those of this process; mount "
    + "/proc (in a chroot: mount -t proc proc DIR/proc). Nothing was started."
}

private func signalSet() -> sigset_t {
  var set = sigset_t()
  sigemptyset(&set)
  sigaddset(&set, SIGTERM)
  sigaddset(&set, SIGINT)
  sigaddset(&set, SIGHUP)
  return set
}

private func blockSignals() {
  // Common words of other programs for other things; nothing that should end a server.
  signal(SIGUSR1, SIG_IGN)
  signal(SIGUSR2, SIG_IGN)
  // A file larger than is allowed (ulimit -f) is an error like a full disk.
  signal(SIGXFSZ, SIG_IGN)
  var set = signalSet()
  pthread_sigmask(SIG_BLOCK, &set, nil)
}

private func waitForSignal() -> Int32 {
  var set = signalSet()
  var number: Int32 = 0
  while sigwait(&set, &number) != 0 {}
  return number
}

/// The next signal that ends the process.
private func waitForEnd() -> Int32 {
  while true {
    let number = waitForSignal()
    if number != SIGHUP { return number }
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

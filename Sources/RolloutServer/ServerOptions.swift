import Glibc
import RolloutStore

/// The command line of `rollout-server`; flags win over the environment.
struct ServerOptions: Sendable, Equatable {
  var host = "127.0.0.1"
  var port = 8080
  var data = "./data"
  var config: String?
  var migrations: String?
  /// What a person allows this start, where files are missing, old or damaged.
  var permissions = DataDirectory.Permissions()
  /// What to do instead of serving; nil serves.
  var command: Command?
  var showsHelp = false

  enum Command: String, Sendable, CaseIterable {
    case checkConfig = "check-config"
    case adminToken = "admin-token"
  }

  static let usage = """
    usage: rollout-server [check-config | admin-token] [options]

      --listen HOST:PORT   where to listen (ROLLOUT_LISTEN, default 127.0.0.1:8080)
      --data DIR           where plans and tokens are kept (ROLLOUT_DATA, default ./data)
      --config FILE        rollout.yaml: providers, routes, prices (ROLLOUT_CONFIG)
      --accept-empty       begin anew although rollout.db is missing and files beside it are not
      --accept-older       go on although rollout.db or jobs.db is older than what was acknowledged
      --quarantine         set a jobs.db that cannot be used aside and begin without jobs
      --migrations DIR     schema files to use instead of the built-in ones, for development
      --help

    check-config reads the configuration, says what is wrong with it, and exits (0 or 78).
    admin-token writes a new token for the administrator to DIR/admin.token, for who has lost the
    others; the server must be stopped.

    """

  /// Throws `UsageError`.
  init(_ arguments: [String], environment: (String) -> String?) throws {
    if let listen = environment("ROLLOUT_LISTEN") { try setListen(listen) }
    if let data = environment("ROLLOUT_DATA") { self.data = data }
    config = environment("ROLLOUT_CONFIG")
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      func value() throws -> String {
        guard let value = rest.popFirst() else {
          throw UsageError(description: "\(argument) needs a value")
        }
        return value
      }
      switch argument {
      case "check-config", "admin-token":
        guard command == nil else {
          throw UsageError(description: "one command at a time: \(argument) is the second")
        }
        command = Command(rawValue: argument)
      case "--listen": try setListen(try value())
      case "--data": data = try value()
      case "--config": config = try value()
      case "--migrations": migrations = try value()
      case "--accept-empty": permissions.acceptsEmpty = true
      case "--accept-older": permissions.acceptsOlder = true
      case "--quarantine": permissions.quarantines = true
      case "--help", "-h": showsHelp = true
      default: throw UsageError(description: "unknown argument \(argument)")
      }
    }
  }

  private mutating func setListen(_ text: String) throws {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65_535).contains(port), colon > text.startIndex
    else { throw UsageError(description: "--listen needs HOST:PORT, not \(text)") }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    self.host = host
    self.port = port
  }

  /// Whether only this machine can reach the server.
  var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}

/// A wrong command line; exit code 2.
struct UsageError: Error, CustomStringConvertible {
  var description: String
}

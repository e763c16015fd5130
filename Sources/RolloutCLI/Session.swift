import DocumentKit
import Glibc
import HTTPKit
import RolloutAPI

/// One run of a command: its arguments, the terminal, and the server it talks to.
struct Session: Sendable {
  let arguments: Arguments
  let terminal: Terminal
  let printsJSON: Bool
  private let baseURL: String
  private let token: String?
  private let client: HTTPClient

  init(_ arguments: Arguments, _ terminal: Terminal) throws {
    self.arguments = arguments
    self.terminal = terminal
    switch arguments.value("--output") {
    case nil, "table": printsJSON = false
    case "json": printsJSON = true
    case let other?: throw CLIFailure(.usage, "--output is table or json, not \(other).")
    }
    var url = arguments.value("--url") ?? environment("ROLLOUT_URL") ?? "http://127.0.0.1:8080"
    while url.hasSuffix("/") { url.removeLast() }
    baseURL = url
    token = try Self.token(arguments)
    client = try HTTPClient()
  }

  private static func token(_ arguments: Arguments) throws -> String? {
    if let token = environment("ROLLOUT_TOKEN"), arguments.value("--token-file") == nil {
      return token
    }
    let named = arguments.value("--token-file") ?? environment("ROLLOUT_TOKEN_FILE")
    guard let bytes = try? readFile(named ?? "data/admin.token") else {
      if let named { throw CLIFailure(.usage, "The token file \(named) cannot be read.") }
      return nil
    }
    var text = String(decoding: bytes, as: UTF8.self)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }

  /// The operand at `index`; the parser has made sure that it is there.
  func operand(_ index: Int) -> String { arguments.operands[index] }

  // MARK: Calls

  struct Answer {
    var status: Int
    var body: [UInt8]
    var etag: String?
  }

  /// Sends a request; throws a failure with the right exit code for every error status.
  func send(
    _ method: String, _ path: String, body: [UInt8] = [], contentType: String = "application/json",
    headers: [(name: String, value: String)] = []
  ) async throws -> Answer {
    let answer = try await exchange(
      method, path, body: body, contentType: contentType, headers: headers)
    guard answer.status >= 400 else { return answer }
    throw try await failure(answer)
  }

  /// Sends a request and returns whatever the server answers.
  func exchange(
    _ method: String, _ path: String, body: [UInt8] = [], contentType: String = "application/json",
    headers: [(name: String, value: String)] = []
  ) async throws -> Answer {
    var all = headers
    if let token { all.append(("authorization", "Bearer \(token)")) }
    if !body.isEmpty { all.append(("content-type", contentType)) }
    let call = HTTPCall(method, baseURL + path, headers: all, body: body)
    do {
      let (head, body) = try await client.execute(call)
      return Answer(status: head.status, body: body, etag: head.header("etag"))
    } catch let error as HTTPFailure {
      throw CLIFailure(
        .unreachable, "\(baseURL) does not answer (\(error)). Is the server running? See --url.")
    }
  }

  func get<T: Decodable>(_ type: T.Type, _ path: String) async throws -> T {
    try decode(type, await send("GET", path))
  }

  func decode<T: Decodable>(_ type: T.Type, _ answer: Answer) throws -> T {
    do { return try WireDecoder.decode(type, from: answer.body) } catch {
      throw CLIFailure(.failed, "The server's answer cannot be read; is it a Rollout server?")
    }
  }

  func failure(_ answer: Answer) async throws -> CLIFailure {
    guard let problem = try? WireDecoder.decode(Problem.self, from: answer.body) else {
      return CLIFailure(.failed, "The server answered \(answer.status).")
    }
    var text = clean(problem.detail)
    if let waiting = problem.waitingOn, !waiting.isEmpty {
      text = "\(problem.title). Waiting on:" + waiting.map { "\n  - \(clean($0))" }.joined()
      if let hold = problem.hold { text += "\n\(clean(problem.detail)) (held since \(hold.since))" }
    }
    return CLIFailure(exitCode(problem.status), text)
  }

  private func exitCode(_ status: Int) -> ExitCode {
    switch status {
    case 401, 403: .notAllowed
    case 409, 428: .conflict
    default: .failed
    }
  }

  /// Prints the server's JSON as it is with `--output json`, else what `render` makes of it.
  func show(_ answer: Answer, _ render: () throws -> String) throws {
    if printsJSON {
      terminal.printJSON(answer.body)
    } else {
      terminal.print(try render())
    }
  }
}

/// The whole of a file, or standard input for `-`.
func readFile(_ path: String) throws -> [UInt8] {
  let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else {
    throw CLIFailure(.failed, "\(path): \(String(cString: strerror(errno)))")
  }
  defer { if path != "-" { close(descriptor) } }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    guard count >= 0 else {
      throw CLIFailure(.failed, "\(path): \(String(cString: strerror(errno)))")
    }
    if count == 0 { return bytes }
    bytes += buffer[..<count]
  }
}

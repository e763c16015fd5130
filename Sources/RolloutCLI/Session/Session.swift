import DocumentKit
import HTTPKit
import PlatformKit
import RolloutAPI

/// One run of a command: its arguments, the terminal, and the server it talks to.
struct Session: Sendable {
  let arguments: Arguments
  let terminal: Terminal
  let printsJSON: Bool
  /// Found out when the server is asked first: what asks none needs none.
  private var connection: Result<ServerAccess, CLIFailure>
  private let client: HTTPClient
  private var timeouts = HTTPCall.Timeouts()

  init(_ arguments: Arguments, _ terminal: Terminal) throws {
    self.arguments = arguments
    let form = arguments.value("--output") ?? "table"
    guard let output = OutputForm(rawValue: form) else {
      throw CLIFailure(.usage, "--output is table or json or yaml, not \(form).")
    }
    printsJSON = output != .table
    do throws(CLIFailure) {
      connection = .success(try ServerAccess(arguments, terminal))
    } catch { connection = .failure(error) }
    self.terminal = (try? connection.get())?.marked(terminal) ?? terminal
    client = try HTTPClient()
  }

  /// The same terminal, and a server with a token that were named otherwise.
  func asking(_ url: String, _ token: String) -> Session {
    var session = self
    session.connection = .success(ServerAccess(url: url, token: token))
    return session
  }

  /// The same server, asked by somebody who waits at the keyboard for the next word.
  func hurried(_ arguments: Arguments) throws -> Session {
    var session = try Session(arguments, terminal)
    session.timeouts.connect = 1
    session.timeouts.firstByte = 2
    session.timeouts.total = 2
    return session
  }

  /// The operand at `index`; the parser has made sure that it is there.
  func operand(_ index: Int) -> String { arguments.operands[index] }

  /// Why, where somebody says so, as a parameter of the query.
  var reason: [(name: String, value: String)] {
    arguments.value("--reason").map { [("reason", $0)] } ?? []
  }

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
    guard (200..<300).contains(answer.status) else {
      throw await advised(failure(answer), answer, path)
    }
    return answer
  }

  /// With the feature that was meant, where there is none of the name.
  private func advised(
    _ failure: CLIFailure, _ answer: Answer, _ path: String
  ) async -> CLIFailure {
    let parts = path.split(separator: "/")
    guard answer.status == 404, parts.count > 2, ["plans", "features"].contains(parts[1]) else {
      return failure
    }
    let name = String(parts[2].prefix { $0 != "?" })
    var features: [String] = []
    // Whoever may not list them gets the refusal as it is.
    try? await pages(PlanList.self, APIPath.plans) { page, _ in
      features += page.plans.map(\.feature)
      return page.next.value
    }
    guard !features.contains(name), let near = Suggestions.near(name, features) else {
      return failure
    }
    var better = failure
    better.message = better.message + " Did you mean \(near)?"
    return better
  }

  /// Sends a request and returns whatever the server answers.
  func exchange(
    _ method: String, _ path: String, body: [UInt8] = [], contentType: String = "application/json",
    headers: [(name: String, value: String)] = []
  ) async throws -> Answer {
    let connection = try connection.get()
    let baseURL = connection.url
    var all = headers
    if let token = connection.token { all.append(("authorization", "Bearer \(token)")) }
    if !body.isEmpty { all.append(("content-type", contentType)) }
    var call = HTTPCall(method, baseURL + path, headers: all, body: body)
    call.timeouts = timeouts
    do {
      let (head, body) = try await client.execute(call)
      return Answer(status: head.status, body: body, etag: head.header("etag"))
    } catch let error as HTTPFailure {
      throw CLIFailure(
        .unreachable, "\(baseURL) does not answer (\(error)). Is the server running? See --url.")
    }
  }

  /// A stream of server-sent events, from the message after `place` on; it may be silent for a
  /// while, and ends when the server does.
  func listen(_ path: String, after place: String?) async throws -> HTTPStream {
    let connection = try connection.get()
    var headers = [(name: "accept", value: "text/event-stream")]
    if let token = connection.token { headers.append(("authorization", "Bearer \(token)")) }
    if let place { headers.append(("last-event-id", place)) }
    var call = HTTPCall("GET", connection.url + path, headers: headers)
    call.timeouts.total = 365 * 86_400
    call.timeouts.idle = Self.silenceSecondsMax
    let stream = try await client.stream(call)
    guard stream.head.status == 200 else {
      throw CLIFailure(exitCode(stream.head.status), "The server answered \(stream.head.status).")
    }
    return stream
  }

  /// An answer that may be large and slow to begin, piece by piece. Throws as `send` does.
  func download(_ method: String, _ path: String) async throws -> HTTPStream {
    let connection = try connection.get()
    var headers: [(name: String, value: String)] = []
    if let token = connection.token { headers.append(("authorization", "Bearer \(token)")) }
    var call = HTTPCall(method, connection.url + path, headers: headers)
    call.timeouts.total = 7 * 86_400
    call.timeouts.firstByte = 3600
    call.timeouts.idle = 300
    let stream: HTTPStream
    do { stream = try await client.stream(call) } catch let error as HTTPFailure {
      throw CLIFailure(
        .unreachable,
        "\(connection.url) does not answer (\(error)). Is the server running? See --url.")
    }
    guard stream.head.status == 200 else {
      var body: [UInt8] = []
      while body.count < 1 << 20, let bytes = try? await stream.next() { body += bytes }
      throw failure(Answer(status: stream.head.status, body: body))
    }
    return stream
  }

  /// Of the server, as far as it is known.
  var address: String { (try? connection.get())?.url ?? "no server" }

  /// After so much silence of a stream nobody is there any more: a server says at times that it
  /// lives.
  private static let silenceSecondsMax = 90.0

  func get<T: Decodable>(_ type: T.Type, _ path: String) async throws -> T {
    try decode(type, await send("GET", path))
  }

  /// Nothing in an answer is believed: what has another form is a failure that says where, and no
  /// control character of it reaches the terminal unless it is wanted `exactly`.
  func decode<T: Decodable>(
    _ type: T.Type, _ answer: Answer, exactly: Bool = false
  ) throws -> T {
    let document = try document(answer)
    do {
      return try WireDecoder.decode(type, from: exactly ? document : document.cleaned)
    } catch {
      throw CLIFailure(
        .failed, "The server's answer cannot be read\(place(error)). Is it a Rollout server?")
    }
  }

  func document(_ answer: Answer) throws -> Document {
    do throws(DocumentError) {
      return try JSONReader.read(
        answer.body, depthMax: JSONReader.storedDepthMax, valuesMax: .max)
    } catch {
      throw CLIFailure(.failed, "The server's answer is not JSON. Is it a Rollout server?")
    }
  }

  private func place(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "" }
    let context: DecodingError.Context
    switch error {
    case .typeMismatch(_, let found), .valueNotFound(_, let found), .keyNotFound(_, let found),
      .dataCorrupted(let found):
      context = found
    @unknown default: return ""
    }
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    return " (\(path.isEmpty ? "" : path + ": ")\(context.debugDescription))"
  }

  /// Fetches a list page by page, 1000 entries each. `each` gets a page and says how it goes on.
  func pages<T: Decodable>(
    _ type: T.Type, _ path: String, exactly: Bool = false,
    each: (T, Answer) throws -> String?
  ) async throws {
    var seen: Set<String> = []
    var after: String?
    repeat {
      let query = APIPath.query([("limit", "1000")] + (after.map { [("after", $0)] } ?? []))
      let answer = try await send("GET", path + query)
      after = try each(try decode(type, answer, exactly: exactly), answer)
      if let after, !seen.insert(after).inserted {
        throw CLIFailure(.failed, "The server's list does not end: it continues where it began.")
      }
    } while after != nil
  }

  /// What a refusal says, as far as it can be read; the status alone decides the exit code.
  func failure(_ answer: Answer) -> CLIFailure {
    let problem = (try? document(answer))?.cleaned ?? .null
    var text = problem["detail"]?.string ?? ""
    // A place in the JSON that this program wrote says nothing to a person.
    text.trimPrefix(#/\d+:\d+: /#)
    if text.isEmpty { text = "The server answered \(answer.status)." }
    if answer.status == 401 { text += " \((try? connection.get())?.tokenSource ?? "")" }
    let waiting = problem["waiting_on"]?.array?.compactMap(\.string) ?? []
    if !waiting.isEmpty {
      let since = problem["hold"]?["since"]?.string.map { " Since \(Words.time($0))." } ?? ""
      // What only repeats the list is left out.
      let more = text.hasPrefix("Waiting on: ") ? [] : ["\(text)\(since)"]
      let title = "\(problem["title"]?.string ?? "Not yet"). Waiting on:"
      return CLIFailure(
        exitCode(answer.status), OwnWords(lines: [title] + waiting.map { "  - \($0)" } + more),
        problem: problem)
    }
    return CLIFailure(exitCode(answer.status), "\(text)", problem: problem)
  }

  private func exitCode(_ status: Int) -> ExitCode {
    switch status {
    case 401, 403: .notAllowed
    // 422 is the plan's own refusal: it stands where this step does not lead on from.
    case 409, 422, 428: .conflict
    default: .failed
    }
  }

  /// Prints a list of pages as one document.
  func showAll(_ key: String, _ path: String) async throws {
    var all: [Document] = []
    try await pages(Document.self, path, exactly: true) { page, _ in
      all += page[key]?.array ?? []
      return page["next"]?.string
    }
    terminal.print(.object([key: .array(all), "next": .null]))
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

/// The whole of a file, or standard input for `-`. Throws `CLIFailure`.
func readFile(_ path: String) throws(CLIFailure) -> [UInt8] {
  do { return try WholeFile.readPatiently(path) } catch {
    throw CLIFailure(.failed, "\(error.description)")
  }
}

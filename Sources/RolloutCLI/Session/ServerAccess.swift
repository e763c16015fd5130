/// Which server is asked, with which token, and where both were found.
struct ServerAccess: Sendable {
  let url: String
  let token: String?
  /// For who has a wrong one.
  let tokenSource: String
  private let profile: Profile?

  /// What a line says counts before the environment, and that before a profile nobody named there.
  /// A profile's token goes to its server and to no other.
  init(_ arguments: Arguments, _ terminal: Terminal) throws(CLIFailure) {
    let profile = try Profile.chosen(arguments, terminal)
    let isNamed = arguments.value("--profile") != nil
    let fromEnvironment = isNamed ? nil : environment("ROLLOUT_URL")
    url = Self.plain(
      arguments.value("--url") ?? fromEnvironment ?? profile?.url ?? "http://127.0.0.1:8080")
    self.profile = profile.flatMap { [url] profile in
      Self.plain(profile.url) == url ? profile : nil
    }
    if let file = arguments.value("--token-file") {
      (token, tokenSource) = (try Self.read(file), "The token came from the file \(file).")
    } else if !isNamed, let text = environment("ROLLOUT_TOKEN") {
      (token, tokenSource) = (Self.trimmed(text), "The token came from ROLLOUT_TOKEN.")
    } else if !isNamed, let file = environment("ROLLOUT_TOKEN_FILE") {
      (token, tokenSource) = (try Self.read(file), "The token came from the file \(file).")
    } else if let found = self.profile {
      (token, tokenSource) = (found.token, "The token came from the profile \(found.name).")
    } else if isNamed {
      (token, tokenSource) = (nil, "No token was sent: the profile's is for \(profile?.url ?? "").")
    } else if let own = try? Self.read("data/admin.token") {
      (token, tokenSource) = (own, "The token came from the file data/admin.token.")
    } else {
      tokenSource =
        "No token was sent: ROLLOUT_TOKEN is not set, there is no data/admin.token, and "
        + "no profile (rollout login) is for this server."
      token = nil
    }
  }

  /// A server with a token that is in no file yet.
  init(url: String, token: String) {
    self.url = Self.plain(url)
    self.token = token
    tokenSource = ""
    profile = nil
  }

  /// The terminal with the profile before its questions, production in red.
  func marked(_ terminal: Terminal) -> Terminal {
    guard let profile else { return terminal }
    var marked = terminal
    let name = "[\(clean(profile.name))]"
    marked.place = (profile.isProduction ? terminal.question(name, .red) : name) + " "
    return marked
  }

  private static func plain(_ url: String) -> String {
    var url = url
    while url.hasSuffix("/") { url.removeLast() }
    return url
  }

  private static func read(_ file: String) throws(CLIFailure) -> String {
    guard let bytes = try? readFile(file) else {
      throw CLIFailure(.usage, "The token file \(file) cannot be read.")
    }
    return trimmed(String(decoding: bytes, as: UTF8.self))
  }

  /// Without the spaces and line ends that copying leaves.
  static func trimmed(_ text: String) -> String {
    var text = Substring(text)
    while text.last?.isWhitespace == true { text.removeLast() }
    while text.first?.isWhitespace == true { text.removeFirst() }
    return String(text)
  }
}

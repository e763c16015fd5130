import DocumentKit
import Glibc
import PlatformKit
import YAMLKit

/// A server that somebody signed in to, with the token for it.
struct Profile: Sendable {
  let name: String
  let url: String
  let token: String
  let isProduction: Bool

  /// Used where nobody names one.
  static let usualName = "default"

  /// The one that is asked for; nil where none is, and none is usual.
  static func chosen(
    _ arguments: Arguments, _ terminal: Terminal
  ) throws(CLIFailure) -> Profile? {
    let named =
      arguments.value("--profile")
      ?? environment("ROLLOUT_PROFILE").flatMap {
        $0.isEmpty ? nil : $0
      }
    let all = try load(terminal)
    if let found = all.first(where: { $0.name == named ?? usualName }) { return found }
    guard let named else { return nil }
    let names = all.map(\.name).joined(separator: ", ")
    throw CLIFailure(
      .usage,
      "There is no profile \(named)\(names.isEmpty ? "" : "; there are: \(names)"). "
        + "Make it: rollout login --profile \(named) --url URL")
  }

  /// `~/.config/rollout`; nil without a home.
  private static var folder: String? {
    if let config = environment("XDG_CONFIG_HOME"), config.hasPrefix("/") {
      return "\(config)/rollout"
    }
    return environment("HOME").map { "\($0)/.config/rollout" }
  }

  private static var file: String? { folder.map { "\($0)/config.yaml" } }

  /// All that are kept, in order of the file.
  static func load(_ terminal: Terminal) throws(CLIFailure) -> [Profile] {
    guard let file else { return [] }
    var found = stat()
    guard stat(file, &found) == 0 else { return [] }
    if found.st_mode & 0o077 != 0 {
      terminal.note("\(file) holds tokens and can be read by others: chmod 600 \(file)")
    }
    let bytes: [UInt8]
    do { bytes = try WholeFile.readPatiently(file) } catch {
      throw CLIFailure(.failed, "\(error.description)")
    }
    do throws(DocumentError) { return try read(YAMLReader.read(bytes)) } catch {
      throw CLIFailure(.failed, "\(file):\(error)")
    }
  }

  private static func read(_ document: Document) throws(DocumentError) -> [Profile] {
    var reader = try ObjectReader(document)
    var profiles: [Profile] = []
    if var members = try reader.object("profiles") {
      for member in members.all() {
        var entry = try ObjectReader(member.value, path: "profiles.\(member.key)")
        profiles.append(
          Profile(
            name: member.key, url: try entry.requiredText("url"),
            token: try entry.requiredText("token"),
            isProduction: try entry.bool("production") ?? isProduction(member.key)))
        try entry.finish()
      }
    }
    try reader.finish()
    return profiles
  }

  /// Whether a name says that it is what real users meet.
  static func isProduction(_ name: String) -> Bool {
    ["production", "prod", "live"].contains(name.lowercased())
  }

  /// Keeps it beside the others, in a file that nobody else may read. Returns the file's name.
  static func keep(_ new: Profile, _ terminal: Terminal) throws(CLIFailure) -> String {
    guard let folder, let file else {
      throw CLIFailure(.failed, "HOME is not set, so there is no place to keep the token in.")
    }
    var all = try load(terminal)
    if let index = all.firstIndex(where: { $0.name == new.name }) {
      all[index] = new
    } else {
      all.append(new)
    }
    let members = all.map { profile in
      Document.Member(
        key: profile.name,
        value: .object([
          "url": .string(profile.url), "token": .string(profile.token),
          "production": profile.isProduction ? .bool(true) : nil,
        ]))
    }
    let text = YAMLWriter.text(.object(["profiles": Document(.object(members))]))
    var path = ""
    for part in folder.split(separator: "/") {
      path += "/\(part)"
      mkdir(path, 0o700)
    }
    let temporary = "\(file).\(getpid())"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw unwritable(temporary) }
    let bytes = Array(text.utf8)
    let isWhole = write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
    close(descriptor)
    guard isWhole, rename(temporary, file) == 0 else {
      let failure = unwritable(file)
      unlink(temporary)
      throw failure
    }
    return file
  }

  private static func unwritable(_ file: String) -> CLIFailure {
    CLIFailure(.failed, "\(file): \(String(cString: strerror(errno)))")
  }
}

package import DocumentKit

/// Where secrets come from. The configuration names an environment variable or a file, and never
/// holds one itself.
///
/// A process cannot be given other variables while it runs: what is to be renewed without a restart
/// stands in a file, which is read with every load of the configuration.
package struct SecretSource {
  /// A secret and the place it came from, which people are told.
  package struct Secret: Sendable, Equatable {
    package var name: String
    package var text: String
  }

  private let variable: (String) -> String?
  private let file: (String) -> String?

  /// Both return nil for what is not there.
  package init(
    variable: @escaping (String) -> String?, file: @escaping (String) -> String? = { _ in nil }
  ) {
    self.variable = variable
    self.file = file
  }

  /// The secret that `<key>_env` or `<key>_file` names; nil when neither stands there.
  package func read(
    _ reader: inout ObjectReader, _ key: String
  ) throws(DocumentError) -> Secret? {
    let secrets = try readAll(&reader, key)
    guard secrets.count <= 1 else {
      throw reader.error("\(key)_file", "Give \(key)_env or \(key)_file, and one of it.")
    }
    return secrets.first
  }

  /// The secrets that `<key>_env` and `<key>_file` name: one each, or a list.
  package func readAll(
    _ reader: inout ObjectReader, _ key: String
  ) throws(DocumentError) -> [Secret] {
    var secrets: [Secret] = []
    for name in try reader.textOrTexts("\(key)_env") ?? [] {
      guard let text = variable(name), !text.isEmpty else {
        throw reader.error(
          "\(key)_env", "The environment variable \(quoted(name)) is not set.")
      }
      secrets.append(Secret(name: name, text: text))
    }
    for path in try reader.textOrTexts("\(key)_file") ?? [] {
      guard var text = file(path) else {
        throw reader.error("\(key)_file", "The file \(quoted(path)) cannot be read.")
      }
      // Editors and `echo` end a file with a line break, which belongs to no secret.
      while text.last?.isNewline == true { text.removeLast() }
      guard !text.isEmpty else {
        throw reader.error("\(key)_file", "The file \(quoted(path)) is empty.")
      }
      secrets.append(Secret(name: path, text: text))
    }
    return secrets
  }
}

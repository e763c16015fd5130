import PlatformKit

/// The configuration cannot be used; exit code 78.
struct ConfigurationError: Error, CustomStringConvertible {
  var description: String
}

/// The whole of a file, up to 1 MiB. Of a pipe, which may have a writer that says nothing, what
/// comes within five seconds, if that is all. Throws `ConfigurationError`.
func readFile(_ path: String) throws -> [UInt8] {
  do { return try WholeFile.read(path, sizeMax: 1 << 20, patience: 5) } catch {
    throw ConfigurationError(description: error.description)
  }
}

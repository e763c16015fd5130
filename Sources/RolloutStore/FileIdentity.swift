import Glibc

/// Which file it is, and how long.
struct FileIdentity: Equatable {
  /// What stands at a path.
  enum Place {
    case file(FileIdentity)
    case nothing
    /// The system could not say: that proves nothing of what is there.
    case unknown
  }

  private var device: UInt
  private var number: UInt
  var size: Int

  /// nil when the system does not say.
  init?(descriptor: Int32) {
    var info = stat()
    guard fstat(descriptor, &info) == 0 else { return nil }
    self.init(info)
  }

  private init(_ info: stat) {
    device = UInt(info.st_dev)
    number = UInt(info.st_ino)
    size = Int(info.st_size)
  }

  static func at(_ path: String) -> Place {
    var info = stat()
    if stat(path, &info) == 0 { return .file(FileIdentity(info)) }
    return errno == ENOENT || errno == ENOTDIR ? .nothing : .unknown
  }

  func isSameFile(as other: FileIdentity) -> Bool {
    device == other.device && number == other.number
  }

  /// Whether what is open is what stands at the path; also while the system cannot say.
  static func isInPlace(_ descriptor: Int32, _ path: String) -> Bool {
    guard let ours = FileIdentity(descriptor: descriptor) else { return true }
    switch at(path) {
    case .file(let found): return found.isSameFile(as: ours)
    case .nothing: return false
    case .unknown: return true
    }
  }
}

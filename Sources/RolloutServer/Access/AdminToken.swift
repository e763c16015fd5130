import Glibc
import RolloutCore
import RolloutStore

/// Tokens for the administrator, in `admin.token` of the data directory, which only they can read.
enum AdminToken {
  private static let file = "admin.token"

  /// Makes one that never expires; returns the path of its file. Throws `StoreError`.
  ///
  /// The file is on disk before the token is in force. Whatever ends the process in between leaves
  /// a file that opens nothing, and the next start, which still finds no token, makes a new one;
  /// the other way round there would be a token that nobody knows.
  static func make(
    _ tokens: TokenDirectory, _ directory: DataDirectory, name: String, why: String
  ) async throws -> String {
    let token = AccessToken.generate()
    try directory.writeSecret(token.text + "\n", to: file)
    try await tokens.add(
      token, name: name, scopes: [.admin], expiresAt: nil, by: .server, reason: why)
    return "\(directory.path)/\(file)"
  }

  /// `rollout-server admin-token`: makes another while no server runs, for who has lost the others.
  /// Throws `StoreError`.
  static func makeAnother(
    in path: String, migrations: [Migration], clock: any WallClock
  ) async throws -> String {
    // A misspelt folder is not made.
    guard access("\(path)/rollout.db", F_OK) == 0 else {
      throw StoreError.unavailable(
        "\(path) holds no rollout.db; name the server's --data, or start the server, whose first "
          + "start makes the first admin token")
    }
    let directory = try DataDirectory(path)
    defer { directory.release() }
    let store = try Store(directory, migrations: migrations, now: clock.now)
    do {
      let tokens = try await TokenDirectory(store: store, clock: clock)
      let taken = Set(tokens.all.filter { $0.revokedAt == nil }.map(\.name))
      let names = ["admin"] + (2...(taken.count + 2)).map { "admin-\($0)" }
      let name = names.first { !taken.contains($0) } ?? "admin"
      let file = try await make(
        tokens, directory, name: name, why: "rollout-server admin-token")
      await store.close()
      return file
    } catch {
      await store.close()
      throw error
    }
  }
}

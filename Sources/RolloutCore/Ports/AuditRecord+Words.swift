import DocumentKit

extension AuditRecord {
  /// What was done, in words that go on after who did it: `made the token shop: evaluate`. What
  /// another edition has kept is shown as it is written.
  package var sentence: String {
    switch kind {
    case .tokenCreated: "made the token \(target)\(rights)"
    case .tokenRevoked: "revoked the token \(target)"
    case .signedIn: "signed in\(place)"
    case .signedOut: "signed out"
    case .signInFailed: "was refused at sign-in for a wrong token\(place)"
    case .cohortMembersAdded: "let \(people) into the cohort \(target)"
    case .cohortMembersRemoved: "took \(people) out of the cohort \(target)"
    case .cohortDeleted: "deleted the cohort \(target) with \(people)"
    case .configurationReloaded: "read the configuration again: \(changes)"
    case .configurationRefused: "did not take the configuration: \(text("error") ?? "unreadable")"
    case .budgetAccepted:
      "opened \(target.isEmpty ? "all budgets" : "the budget \(target)") although spending was lost"
    case .backupTaken: "took a back-up"
    case .capturesDeleted: "deleted the captured prompts of \(target)"
    case .jobCancelled: "cancelled \(count == 1 ? "a job" : "\(count) jobs") of \(target)"
    case .olderDataAccepted: "started the server with \(target)"
    case nil: target.isEmpty ? type : "\(type) \(target)"
    }
  }

  private func text(_ key: String) -> String? { details?[key]?.string }

  private func texts(_ key: String) -> [String]? {
    details?[key]?.array?.compactMap(\.string)
  }

  private var people: String { users == 1 ? "1 user" : "\(users) users" }

  private var place: String { text("from").map { " from \($0)" } ?? "" }

  /// What a new token may do, where, and for how long.
  private var rights: String {
    guard let scopes = texts("scopes") else { return "" }
    let features = texts("features").map { ", for \($0.joined(separator: ", ")) only" } ?? ""
    let end = text("expires_at").map { ", until \($0.prefix(10))" } ?? ", for good"
    return ": \(scopes.joined(separator: ", "))\(features)\(end)"
  }

  private var changes: String {
    let names = texts("changed") ?? []
    guard !names.isEmpty else { return "the file says what it said before" }
    let more = details?["more"]?.int.map { " and \($0) more" } ?? ""
    return "\(names.joined(separator: ", "))\(more) changed"
  }
}

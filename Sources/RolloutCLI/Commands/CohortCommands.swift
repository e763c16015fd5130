import DocumentKit
import RolloutAPI

/// `rollout cohort …`
enum CohortCommands {
  static let all = [
    Subcommand(
      "cohort list", ["cohort"], "all cohorts, or the members of one",
      examples: ["rollout cohort list", "rollout cohort list beta"], run: list),
    Subcommand(
      "cohort add", ["COHORT", "USER…"], "let users into a cohort",
      options: [create] + Subcommand.changing,
      examples: [
        "rollout cohort add beta anna bob", "rollout cohort add --create pilots -- -odd-id",
      ],
      run: add),
    Subcommand(
      "cohort remove", ["COHORT", "USER…"], "take users out of a cohort",
      options: Subcommand.changing,
      examples: ["rollout cohort remove beta anna"], run: remove),
    Subcommand(
      "cohort delete", ["COHORT"], "take everybody out of a cohort",
      options: [
        .init("--confirm", "COHORT", "although plans use it: say its name again")
      ] + Subcommand.changing,
      examples: [
        "rollout cohort delete pilots --yes", "rollout cohort delete beta --confirm beta --yes",
      ], run: delete),
    Subcommand(
      "cohort import", ["COHORT", "FILE"],
      "add the users of a file: a list, a table (csv, tabs) or JSON; all of them or none",
      options: [
        .init("--column", "NAME", "the column with the ids (default: user, user_id, id or email)"),
        .init("--no-header", nil, "the first line is a user too"),
        create,
      ] + Subcommand.changing,
      examples: [
        "rollout cohort import beta users.csv --column email",
        "psql … | rollout cohort import beta -",
      ],
      run: importFile),
  ]

  private static let create = Subcommand.Option(
    "--create", nil, "make the cohort, although no plan uses it yet")

  private static func query(_ session: Session) -> [(name: String, value: String)] {
    (session.arguments.has("--create") ? [("create", "true")] : []) + session.reason
  }

  private static func list(_ session: Session) async throws {
    guard let cohort = session.arguments.operands.first else {
      let answer = try await session.send("GET", "/v1/cohorts")
      let list = try session.decode(CohortList.self, answer)
      try session.show(answer) {
        session.terminal.table(
          ["COHORT", "MEMBERS"], list.cohorts.map { [$0.name, "\($0.members)"] })
      }
      return
    }
    guard !session.printsJSON else {
      return try await session.showAll("members", APIPath.cohort(cohort))
    }
    // Exactly: the last member is where the next page begins.
    try await session.pages(MemberList.self, APIPath.cohort(cohort), exactly: true) { page, _ in
      if !page.members.isEmpty {
        session.terminal.print(page.members.map(clean).joined(separator: "\n"))
      }
      return page.next.value
    }
  }

  /// All of them in one call: all are in, or none is.
  private static func add(_ session: Session) async throws {
    let cohort = session.operand(0)
    let users = Array(session.arguments.operands.dropFirst())
    if users.count == 1 {
      _ = try await session.send(
        "PUT", APIPath.member(cohort, users[0]) + APIPath.query(query(session)))
    } else {
      let answer = try await session.send(
        "POST", APIPath.members(cohort) + APIPath.query(query(session)),
        body: users.flatMap { Document.string($0).json + [0x0A] },
        contentType: "application/x-ndjson")
      _ = try session.decode(AddedMembers.self, answer)
    }
    told(users, of: cohort, session) { "\($0) is in \(cohort)" }
  }

  private static func remove(_ session: Session) async throws {
    let cohort = session.operand(0)
    let users = Array(session.arguments.operands.dropFirst())
    var inMemory: Set<String> = []
    try await Interrupts.held {
      for (index, user) in users.enumerated() {
        do {
          let answer = try await session.send(
            "DELETE", APIPath.member(cohort, user) + APIPath.query(query(session)))
          if answer.status == 202 { inMemory.insert(user) }
        } catch let failure as CLIFailure where index > 0 {
          let gone = users[..<index].joined(separator: ", ")
          throw CLIFailure(
            failure.exitCode, "\(failure.message)\nOut of \(cohort) already: \(clean(gone)).")
        }
      }
    }
    told(users, of: cohort, session) { user in
      let place = inMemory.contains(user) ? ", in memory only: \(Undurable.consequence)" : ""
      return "\(user) is not in \(cohort)\(place)"
    }
  }

  private static func told(
    _ users: [String], of cohort: String, _ session: Session, _ sentence: (String) -> String
  ) {
    if session.printsJSON {
      session.terminal.print(
        .object(["cohort": .string(cohort), "users": .array(users.map { .string($0) })]))
    } else {
      for user in users { session.terminal.note(sentence(user)) }
    }
  }

  private static func delete(_ session: Session) async throws {
    let cohort = session.operand(0)
    if !session.arguments.has("--yes") {
      try session.terminal.confirm("Take everybody out of \(cohort)?")
    }
    let query = ["confirm", "reason"].compactMap { name in
      session.arguments.value("--\(name)").map { (name: name, value: $0) }
    }
    let answer = try await session.send("DELETE", APIPath.cohort(cohort) + APIPath.query(query))
    let removed = try session.document(answer)["removed"]?.int ?? 0
    try session.show(answer) {
      "\(cohort) is empty; \(removed) \(removed == 1 ? "was" : "were") in it."
    }
  }

  /// What a server takes in one call.
  private static let portionMax = (users: 100_000, bytes: 8 << 20)

  private static func importFile(_ session: Session) async throws {
    let (cohort, name) = (session.operand(0), session.operand(1))
    let file = try read(name, session)
    guard !file.users.isEmpty else {
      throw CLIFailure(.failed, "\(name): there are no users in it. Nothing was changed.")
    }
    let portions = portions(of: file.users)
    // A name that no other import has: nothing of theirs may be taken for a part of this one.
    let id = String(UInt64.random(in: 0...UInt64.max), radix: 36)
    let bar = ProgressBar(session.terminal, total: file.users.count)
    var sent = 0
    var last: Session.Answer?
    for (index, portion) in portions.enumerated() {
      var query = query(session)
      if portions.count > 1 {
        query += [
          ("import", id), ("portion", "\(index + 1)"), ("of", "\(portions.count)"),
        ]
      }
      do {
        last = try await session.send(
          "POST", APIPath.members(cohort) + APIPath.query(query), body: portion.body,
          contentType: "application/x-ndjson")
      } catch let failure as CLIFailure {
        bar.end()
        // The last one may have been taken without our hearing of it.
        let isUnknown = failure.exitCode == .unreachable && index == portions.count - 1
        let note =
          isUnknown
          ? "It may have been taken all the same; importing it again does no harm."
          : "Nothing was changed."
        throw CLIFailure(failure.exitCode, "\(failure.message)\n\(note)")
      }
      sent += portion.users
      if portions.count > 1 { bar.show(sent) }
    }
    bar.end()
    guard let last else { return }
    let added = try session.decode(AddedMembers.self, last)
    if file.empty > 0 || file.duplicates > 0 {
      session.terminal.note(
        "\(name): \(file.duplicates) stood twice, \(file.empty) lines had no id.")
    }
    try session.show(last) {
      "\(clean(cohort)): \(added.added) new, \(added.alreadyMembers) were in it already; it has "
        + "\(added.members) members now"
    }
  }

  /// Everything is read and checked before anything is sent.
  private static func read(_ name: String, _ session: Session) throws -> MemberFile {
    let isJSON = [".json", ".ndjson", ".jsonl"].contains(where: name.hasSuffix)
    var options = MemberFile.Options(column: session.arguments.value("--column"))
    if session.arguments.has("--no-header") { options.hasHeader = false }
    let bytes = try readFile(name)
    do throws(MemberFile.Unreadable) {
      return try MemberFile(bytes, isJSON ? .json : .table, options)
    } catch {
      let place = error.line == 0 ? name : "\(name):\(error.line)"
      throw CLIFailure(.failed, "\(place): \(error.message) Nothing was changed.")
    }
  }

  private static func portions(of users: [String]) -> [(users: Int, body: [UInt8])] {
    var portions: [(users: Int, body: [UInt8])] = []
    var open = (users: 0, body: [UInt8]())
    for user in users {
      if open.users == portionMax.users || open.body.count >= portionMax.bytes {
        portions.append(open)
        open = (0, [])
      }
      open.users += 1
      open.body += Document.string(user).json
      open.body.append(0x0A)
    }
    return open.users == 0 ? portions : portions + [open]
  }
}

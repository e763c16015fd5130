import DocumentKit
import RolloutAPI

/// `rollout cohort …`
enum CohortCommands {
  static let all = [
    Command("cohort list", ["cohort"], "all cohorts, or the members of one", run: list),
    Command("cohort add", ["COHORT", "USER…"], "let users into a cohort", run: add),
    Command("cohort remove", ["COHORT", "USER…"], "take users out of a cohort", run: remove),
    Command(
      "cohort import", ["COHORT", "FILE"],
      "add the users of a file, one a line (.csv or .ndjson too)",
      run: importFile),
  ]

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
    var after: String?
    repeat {
      let query = APIPath.query([("limit", "1000")] + (after.map { [("after", $0)] } ?? []))
      let answer = try await session.send("GET", APIPath.cohort(cohort) + query)
      let page = try session.decode(MemberList.self, answer)
      if session.printsJSON || !page.members.isEmpty {
        try session.show(answer) { page.members.map(clean).joined(separator: "\n") }
      }
      after = page.next.value
    } while after != nil
  }

  private static func add(_ session: Session) async throws {
    let cohort = session.operand(0)
    for user in session.arguments.operands.dropFirst() {
      _ = try await session.send("PUT", APIPath.member(cohort, user))
      session.terminal.note("\(user) is in \(cohort)")
    }
  }

  private static func remove(_ session: Session) async throws {
    let cohort = session.operand(0)
    for user in session.arguments.operands.dropFirst() {
      _ = try await session.send("DELETE", APIPath.member(cohort, user))
      session.terminal.note("\(user) is not in \(cohort)")
    }
  }

  private static func importFile(_ session: Session) async throws {
    let file = session.operand(1)
    var body = try readFile(file)
    var type = "application/x-ndjson"
    if file.hasSuffix(".csv") {
      type = "text/csv"
    } else if !file.hasSuffix("json") && !file.hasSuffix("jsonl") {
      // Plain text: one id a line.
      let lines = String(decoding: body, as: UTF8.self).split(whereSeparator: \.isNewline)
      body = lines.flatMap { Document.string(String($0)).json + [0x0A] }
    }
    let answer = try await session.send(
      "POST", APIPath.members(session.operand(0)), body: body, contentType: type)
    let added = try JSONReader.read(answer.body)["added"]?.int ?? 0
    try session.show(answer) { "\(added) users are in \(session.operand(0))" }
  }
}

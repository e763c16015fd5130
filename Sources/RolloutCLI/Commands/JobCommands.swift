import DocumentKit
import RolloutAPI

/// `rollout jobs …`
enum JobCommands {
  static let all = [
    Subcommand(
      "jobs list", [], "requests that are answered later, the last one first",
      options: [
        .init("--feature", "FEATURE", "only those of this feature"),
        .init(
          "--status", "queued|processing|succeeded|failed|expired|cancelled",
          "only those that stand so"),
        .init("--limit", "N", "so many at most (default 50)"),
      ],
      examples: ["rollout jobs list", "rollout jobs list --feature ai-summary --status failed"],
      run: list),
    Subcommand(
      "jobs show", ["ID"], "one job, with its answer",
      examples: ["rollout jobs show job_4f6c1d2e"], run: show),
    Subcommand(
      "jobs cancel", ["ID"], "take back a job that is not done yet",
      options: [
        .init("--reason", "TEXT", "why; it is recorded"),
        .init("--yes", nil, "do not ask; there is no question"),
      ],
      examples: ["rollout jobs cancel job_4f6c1d2e"], run: cancel),
  ]

  private static let path = "/v1/jobs"

  private static func list(_ session: Session) async throws {
    var query = [("limit", session.arguments.value("--limit") ?? "50")]
    for name in ["feature", "status"] {
      if let value = session.arguments.value("--\(name)") { query.append((name, value)) }
    }
    let answer = try await session.send("GET", path + APIPath.query(query))
    let page = try session.decode(JobPage.self, answer)
    try session.show(answer) {
      guard !page.jobs.isEmpty else { return "There are no such jobs." }
      let columns = [
        Grid.Column("JOB"), .init("FEATURE", widthMin: 10), .init("STATE"), .init("MADE"),
        .init("TRIES", isRight: true), .init("", widthMin: 8),
      ]
      let rows = page.jobs.map { job in
        [
          Grid.Cell(job.jobId, .bold), .init(job.feature), .init(job.status, style(job)),
          .init(LocalTime.brief(job.createdAt)), .init("\(job.attempts)"), .init(more(job), .dim),
        ]
      }
      var lines = Grid(columns: columns, rows: rows).lines(session.terminal)
      if page.next.value != nil { lines.append("There is more: --limit takes up to 1000.") }
      return lines.joined(separator: "\n")
    }
  }

  private static func style(_ job: JobView) -> Terminal.Style? {
    switch job.status {
    case "succeeded": .green
    case "failed", "expired": .red
    case "cancelled": .dim
    default: nil
    }
  }

  private static func more(_ job: JobView) -> String {
    if let position = job.position { return position == 1 ? "next" : "\(position) in the queue" }
    if let finished = job.finishedAt { return "done \(LocalTime.brief(finished))" }
    return job.startedAt.map { "begun \(LocalTime.brief($0))" } ?? ""
  }

  private static func show(_ session: Session) async throws {
    let answer = try await session.send("GET", "\(path)/\(APIPath.segment(session.operand(0)))")
    let job = try session.decode(JobView.self, answer)
    try session.show(answer) { page(job, session.terminal) }
  }

  private static func page(_ job: JobView, _ terminal: Terminal) -> String {
    var lines = [
      "\(terminal.style(job.jobId, .bold))  \(clean(job.feature))  "
        + (style(job).map { terminal.style(clean(job.status), $0) } ?? clean(job.status))
    ]
    lines += terminal.row("made", Words.since(job.createdAt))
    if let position = job.position { lines += terminal.row("waits", "\(position) in the queue") }
    if let started = job.startedAt { lines += terminal.row("begun", Words.since(started)) }
    if let finished = job.finishedAt { lines += terminal.row("done", Words.since(finished)) }
    lines += terminal.row("tries", "\(job.attempts)")
    lines += terminal.row("expires", Words.time(job.expiresAt))
    if let result = job.result {
      let text = result["content"]?.string ?? result.jsonText
      lines += terminal.row("answer", clean(text))
    }
    if let error = job.error {
      lines += terminal.row("error", clean(error["detail"]?.string ?? error.jsonText), .red)
    }
    return lines.joined(separator: "\n")
  }

  private static func cancel(_ session: Session) async throws {
    let id = session.operand(0)
    let answer = try await session.send(
      "DELETE", "\(path)/\(APIPath.segment(id))" + APIPath.query(session.reason))
    let job = try session.decode(JobView.self, answer)
    guard job.status == "cancelled" || session.printsJSON else {
      throw CLIFailure(.conflict, "\(id) has \(job.status) already; there is nothing to cancel.")
    }
    try session.show(answer) { "\(id) is cancelled." }
  }
}

import DocumentKit
import Glibc
import RolloutCore

/// `rollout plan init FEATURE`
enum InitCommand {
  static let command = Subcommand(
    "plan init", ["FEATURE"], "write a plan file with comments, to begin with; asks no server",
    options: [
      .init("--file", "FILE", "where to (-f; default FEATURE.yaml; - prints it)")
    ],
    examples: ["rollout plan init ai-summary", "rollout plan init ai-summary -f plans/ai.yaml"],
    run: run)

  private static func run(_ session: Session) async throws {
    let feature = session.operand(0)
    guard isName(feature) else {
      throw CLIFailure(.usage, "A feature key is 1–128 of a–z A–Z 0–9 . _ - (no leading dot).")
    }
    let file = session.arguments.value("--file") ?? "\(feature).yaml"
    guard file != "-" else { return session.terminal.print(text(feature)) }
    try write(text(feature), to: file)
    // Editors look for it beside the file; one that is there is somebody's.
    let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let schema = (folder + ["plan.schema.json"]).joined(separator: "/")
    let isNew = access(schema, F_OK) != 0
    if isNew { try write(SchemaCommand.plan, to: schema) }
    let files = [file] + (isNew ? [schema] : [])
    if session.printsJSON {
      session.terminal.print(.object(["files": .array(files.map { .string($0) })]))
    } else {
      let names = files.map(clean).joined(separator: " and ")
      session.terminal.print(
        "\(names) \(isNew ? "are" : "is") written.\n\nNext: rollout plan apply -f \(clean(file))")
    }
  }

  /// A new file, whole or not at all.
  static func write(_ text: String, to file: String) throws(CLIFailure) {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CLIFailure(
        .failed, "\(file): \(String(cString: strerror(errno))). Nothing was written.")
    }
    let bytes = Array(text.utf8)
    let isWhole = Glibc.write(descriptor, bytes, bytes.count) == bytes.count
    let why = String(cString: strerror(errno))
    close(descriptor)
    guard isWhole else {
      unlink(file)
      throw CLIFailure(.failed, "\(file): \(why)")
    }
  }

  /// Every key that people use, with what it means.
  private static func text(_ feature: String) -> String {
    // Quoted where YAML would take it for a number or a word of its own.
    let key = feature.first?.isLetter == true && feature.count > 5 ? feature : "\"\(feature)\""
    return """
      # yaml-language-server: $schema=./plan.schema.json
      # A plan: who gets a feature, in which steps, and what stops it.

      # The feature's key, as apps ask for it.
      feature: \(key)
      description: ""

      # Who is in from which step on. A step has a cohort (a named list of users), rules, a percent,
      # or several of them; who was in an earlier one stays in.
      stages:
        - name: internal
          cohort: internal               # rollout cohort add internal anna
          # rules: [{attribute: email, ends_with: "@example.com"}]
        - name: beta
          percent: 5
          soak: 1d                       # so long at least before the next step
        - name: "25"
          percent: 25
        - name: "50"
          percent: 50
        - name: "100"
          percent: 100
          # approvals: 1                 # persons other than the one who advances

      # manual: a person advances. automatic: it goes on when all gates are open.
      advance: manual
      # When it may go on by itself: one of these, or a list. A person may at any time. A stage may
      # have its own hours, and advance_at: 2026-12-01T09:00+01:00, before which it is not entered.
      # hours: {days: [mon, tue, wed, thu], from: "09:00", to: "16:00", zone: Europe/Berlin}

      # What steps back, pauses or only tells when it is over its limit.
      guards:
        - metric: error_rate
          max: 5%
          action: rollback
        - metric: latency_p95
          max: 5s
          action: pause
        # - {metric: cost_per_request, max: $0.02, action: pause}

      # Where it steps back to, and how long it stays there at least.
      rollback:
        to: previous
        cooldown: 30m

      # Users who always have it, and who never have it.
      # force_on: [anna]
      # force_off: [bob]
      # Who stays out whatever the stage, to compare with.
      # holdout: 5%

      # For AI features: a route of the server's rollout.yaml, and what everybody else gets.
      # route: summary
      # fallback: {content: "Not available right now."}

      """
  }
}

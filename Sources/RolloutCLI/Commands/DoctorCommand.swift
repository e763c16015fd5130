import DocumentKit
import Glibc
import PlatformKit
import RolloutAPI
import RolloutCore

/// `rollout doctor`
enum DoctorCommand {
  static let command = Subcommand(
    "doctor", [], "whether everything is as it should be, and what to do where it is not",
    options: [
      .init("--data", "FOLDER", "the server's data folder, where it is on this machine")
    ],
    examples: ["rollout doctor", "rollout doctor --data /var/lib/rollout"]
  ) { session in
    var doctor = Doctor(session)
    let findings = await doctor.examine()
    let bad = findings.filter { $0.verdict == .bad }.count
    if bad == 0 || !session.printsJSON { session.show(findings) }
    guard bad == 0 else {
      let what = bad == 1 ? "thing is" : "things are"
      let sentence = "\(bad) \(what) not as they should be."
      // With it, one document says all.
      var document = Finding.document(findings)
      document.set("detail", .string(sentence))
      throw CLIFailure(.failed, "\(sentence)", problem: document)
    }
  }
}

/// One thing that was looked at.
private struct Finding {
  enum Verdict: String {
    case good, fair, bad
  }

  var verdict: Verdict
  var name: String
  var text: String
  /// What to do; nil where nothing is to be done.
  var advice: String?

  static func document(_ findings: [Finding]) -> Document {
    let list = findings.map { finding in
      Document.object([
        "verdict": .string(finding.verdict.rawValue), "name": .string(finding.name),
        "text": .string(finding.text), "advice": finding.advice.map { .string($0) } ?? .null,
      ])
    }
    return .object(["findings": .array(list)])
  }
}

private struct Doctor {
  private static let clockSlack = TimeSpan.seconds(5)
  private static let expiryNear = TimeSpan.days(14)
  private static let roomMin = 1 << 30

  private let session: Session
  private var findings: [Finding] = []

  init(_ session: Session) { self.session = session }

  mutating func examine() async -> [Finding] {
    guard await server() else { return findings }
    await version()
    await readiness()
    await token()
    await clock()
    await providers()
    await budgets()
    files()
    return findings
  }

  private mutating func note(
    _ verdict: Finding.Verdict, _ name: String, _ text: String, _ advice: String? = nil
  ) {
    findings.append(Finding(verdict: verdict, name: name, text: clean(text), advice: advice))
  }

  // MARK: The server

  private mutating func server() async -> Bool {
    let began = MachineClock.now
    do {
      let answer = try await session.exchange("GET", "/livez")
      let took = MachineClock.now.milliseconds(since: began)
      guard answer.status == 200, (try? session.document(answer))?["status"] != nil else {
        note(
          .bad, "server", "\(session.address) is no Rollout server (\(answer.status))",
          "Give its address: --url, or ROLLOUT_URL.")
        return false
      }
      note(
        took < 500 ? .good : .fair, "server", "\(session.address) answers in \(took) ms",
        took < 500 ? nil : "It is far away or busy; commands will be slow.")
      return true
    } catch {
      note(
        .bad, "server", (error as? CLIFailure)?.message.text ?? "\(error)",
        "Start it (script/server, or rollout-server --data DIR), or give its address: --url.")
      return false
    }
  }

  private mutating func version() async {
    guard let answer = try? await session.send("GET", "/openapi.json"),
      let its = try? session.document(answer)["info"]?["version"]?.string
    else { return note(.bad, "version", "the server does not say which it is", "Upgrade it.") }
    let ours = String(Program.version.drop { !$0.isNumber })
    let isSame = its == ours
    note(
      isSame ? .good : .fair, "version",
      isSame ? "\(ours), both" : "the server is \(its), this program \(ours)",
      isSame ? nil : "Install the same version of both: what is new in one may be missing here.")
  }

  private mutating func readiness() async {
    guard let answer = try? await session.exchange("GET", "/readyz"),
      let document = (try? session.document(answer))?.cleaned
    else { return note(.bad, "ready", "/readyz cannot be read", "Is it a Rollout server?") }
    let warnings = document["warnings"]?.array ?? []
    for warning in warnings {
      note(
        .bad, warning["what"]?.string ?? "degraded", warning["detail"]?.string ?? "",
        "docs/OPERATIONS.md says what this means, and how it ends.")
    }
    for reason in document["reasons"]?.array?.compactMap(\.string) ?? [] {
      note(.bad, "ready", reason, "Ask again when it has started anew.")
    }
    if warnings.isEmpty, answer.status == 200 {
      note(.good, "ready", "disk, database, clock and configuration are well")
    }
    if document["auth"]?.string == "off" {
      note(
        .fair, "access", "everybody who reaches the server may do everything (auth: off)",
        "Only for trying it out; take auth: off away for anything else.")
    }
  }

  // MARK: The token

  private mutating func token() async {
    let view: SessionView
    do { view = try await session.get(SessionView.self, "/v1/session") } catch {
      return note(
        .bad, "token", (error as? CLIFailure)?.message.text ?? "\(error)",
        "rollout-server admin-token --data DIR makes one while the server is stopped.")
    }
    let scopes = view.scopes.joined(separator: ", ")
    let limit = view.features.map { ", for \($0.joined(separator: ", ")) only" } ?? ""
    let text = "\(view.name) may \(scopes)\(limit)"
    guard let end = view.expiresAt.value.flatMap({ Instant(rfc3339: $0) }) else {
      return note(.good, "token", "\(text); it does not expire")
    }
    let left = end.since(LocalTime.now)
    let isNear = left < Self.expiryNear
    note(
      isNear ? .fair : .good, "token", "\(text); expires in \(left.roughly)",
      isNear ? "Make another one in time: rollout token create." : nil)
  }

  private mutating func clock() async {
    guard let page = try? await session.get(OverviewView.self, "/v1/overview?limit=1"),
      let its = Instant(rfc3339: page.at)
    else { return }
    let apart = its.since(LocalTime.now)
    let isNear = apart.milliseconds.magnitude < UInt64(Self.clockSlack.milliseconds)
    note(
      isNear ? .good : .bad, "clock",
      isNear
        ? "the server's and this machine's agree"
        : "the server's is \(abs(apart.milliseconds / 1000)) s "
          + (apart.milliseconds > 0 ? "ahead of" : "behind") + " this machine's",
      isNear ? nil : "Let both follow a time server (timedatectl set-ntp true).")
  }

  // MARK: What it depends on

  private mutating func providers() async {
    guard let list = try? await session.get(ProviderList.self, "/v1/providers") else { return }
    guard !list.providers.isEmpty else {
      return note(.good, "providers", "none; the AI path is not used")
    }
    for provider in list.providers {
      let name = "provider \(provider.name)"
      let keys = provider.keys.filter { $0.state != "ok" }
      for key in keys {
        note(
          .bad, name, "its key \(key.name) is \(key.state.replacing("_", with: " "))",
          "Put a valid key there, and send the server SIGHUP.")
      }
      let shut = provider.models.filter { $0.breaker != "closed" }
      for model in shut {
        note(
          .bad, name, "\(model.model) fails and is asked no more for now (breaker open)",
          "It is tried again by itself; rollout providers shows it.")
      }
      if keys.isEmpty, shut.isEmpty { note(.good, name, "\(provider.kind), nothing fails") }
    }
  }

  private mutating func budgets() async {
    guard let list = try? await session.get(BudgetList.self, "/v1/budgets"), !list.budgets.isEmpty
    else { return }
    if let lost = list.lost {
      note(
        .bad, "budgets", "\(lost): hard budgets are shut",
        "rollout budget accept --reason TEXT, once it is safe to spend on.")
    }
    for budget in list.budgets where budget.limitUsd > 0 {
      let share = budget.spentUsd / budget.limitUsd
      guard share >= 0.9 else { continue }
      note(
        share >= 1 ? .bad : .fair, "budget \(budget.name)", "\(Figures.share(share)) is spent",
        "Raise it in rollout.yaml, or wait for its next window: rollout budget.")
    }
    if list.lost == nil { note(.good, "budgets", "\(list.budgets.count), counted") }
  }

  // MARK: Files on this machine

  private mutating func files() {
    let named = session.arguments.value("--data")
    let folder = named ?? "data"
    guard access("\(folder)/rollout.db", F_OK) == 0 else {
      if named != nil {
        note(.bad, "data", "\(folder) holds no rollout.db", "Give the folder that the server uses.")
      }
      return
    }
    for name in ["", "rollout.db", "telemetry.db", "budget.db", "jobs.db", "admin.token"] {
      let path = name.isEmpty ? folder : "\(folder)/\(name)"
      var info = stat()
      guard stat(path, &info) == 0, info.st_mode & 0o077 != 0 else { continue }
      // Who may enter the folder reads nothing by that.
      guard !name.isEmpty || info.st_mode & 0o022 != 0 else { continue }
      note(
        .bad, "files", "others of this machine may use \(path)",
        "chmod \(name.isEmpty ? "700" : "600") \(path)")
    }
    if !findings.contains(where: { $0.name == "files" }) {
      note(.good, "files", "\(folder) is its owner's alone")
    }
    var system = statvfs()
    guard statvfs(folder, &system) == 0 else { return }
    let free = Int(clamping: UInt64(system.f_bavail) &* UInt64(system.f_frsize))
    let words = "\(Figures.about(Double(free) / 1e9)) GB are free for \(folder)"
    note(
      free < Self.roomMin ? .bad : .good, "disk", words,
      free < Self.roomMin ? "Make room: without it nothing can be written." : nil)
  }
}

extension Session {
  fileprivate func show(_ findings: [Finding]) {
    if printsJSON { return terminal.print(Finding.document(findings)) }
    let width = min(20, findings.map(\.name.count).max() ?? 0)
    for finding in findings {
      let (mark, style): (String, Terminal.Style) =
        switch finding.verdict {
        case .good: ("✓", .green)
        case .fair: ("◷", .yellow)
        case .bad: ("✗", .red)
        }
      var lines = terminal.wrapped(
        "\(mark) \(padded(finding.name, width))  \(clean(finding.text))", indent: width + 4)
      lines[0] = terminal.style(mark, style) + lines[0].dropFirst()
      if let advice = finding.advice {
        let margin = String(repeating: " ", count: width + 4)
        lines += terminal.wrapped(margin + clean(advice), indent: width + 4).map {
          terminal.style($0, .dim)
        }
      }
      terminal.print(lines.joined(separator: "\n"))
    }
  }
}

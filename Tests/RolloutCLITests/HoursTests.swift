import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// Hours of plans, by the real programs: what is shown, and what becomes of a machine's zones.
@Suite struct HoursTests {
  private let folder = TemporaryFolder()

  private func plan(_ hours: String) -> String {
    folder.write(
      """
      feature: ai-summary
      advance: automatic
      hours: \(hours)
      stages:
        - {name: a, percent: 5, soak: 0s}
        - {name: b, percent: 50, advance_at: 2999-12-02T09:00+01:00}
        - {name: c, percent: 100, hours: [{days: [sat, sun], zone: UTC}, {to: "06:30", zone: UTC}]}
      """, to: "plan.yaml")
  }

  @Test func `show, list and diff say hours in words, within 80 columns`() async throws {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let file = plan(
      "{days: [mon, tue, wed, thu], from: \"09:00\", to: \"16:00\", zone: Europe/Berlin}")
    #expect(try await server.rollout("plan", "apply", "-f", file).status == 0)
    _ = try await server.rollout("start", "ai-summary")
    let show = try await server.rollout("plan", "show", "ai-summary")
    #expect(show.output.contains("not before 2999-12-02T09:00+01:00"), "\(show.output)")
    #expect(show.output.contains("◷ time: opens Mon 2 Dec 2999 09:00 +01:00, in"), "\(show.output)")
    #expect(show.output.contains("Mon–Thu 09:00–16:00 Europe/Berlin (b)"), "\(show.output)")
    #expect(show.output.contains("Sat, Sun UTC; every day 00:00–06:30 UTC (c)"), "\(show.output)")
    #expect(show.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(show.output)")
    let list = try await server.rollout("plan", "list")
    #expect(list.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(list.output)")
    let other = plan("{days: [mon, tue, wed, thu, fri], from: \"09:00\", zone: UTC}")
    let diff = try await server.rollout("plan", "diff", "-f", other)
    #expect(
      diff.output.contains(
        "hours \"Mon–Thu 09:00–16:00 Europe/Berlin\" → \"Mon–Fri 09:00–24:00 UTC\""),
      "\(diff.output)")
    let export = try await server.rollout("plan", "export", "ai-summary")
    let exported = folder.write(export.output, to: "exported.yaml")
    let same = try await server.rollout("plan", "diff", "-f", exported, "--exit-code")
    #expect(same.status == 0, "\(same)\n\(export.output)")
    let advanced = try await server.rollout("advance", "ai-summary", "--reason", "now")
    #expect(advanced.errors.contains("  - time: opens Mon 2 Dec 2999"), "\(advanced)")
    #expect(server.terminate() == 0)
  }

  @Test func `lint knows the zones of its machine, and says where there are none`() async throws {
    let file = plan("{zone: Europe/Atlantis}")
    let lint = try await run("rollout", ["plan", "lint", file])
    #expect(lint.status == 1)
    #expect(
      lint.output.hasPrefix(
        "\(file):3:15: hours.zone: There is no time zone \"Europe/Atlantis\" here;"), "\(lint)")
    let nowhere = try await run("rollout", ["plan", "lint", file], environment: ["TZDIR": "/nope"])
    #expect(nowhere.status == 0 && nowhere.errors.contains("no tzdata"), "\(nowhere)")
    #expect(nowhere.errors.contains("Europe/Atlantis"))
    let good = try await run("rollout", ["plan", "lint", plan("{zone: Asia/Kathmandu}")])
    #expect(good.status == 0, "\(good)")
  }

  @Test func `a zone that is gone keeps the plan where it is, and the server runs`() async throws {
    let zones = "\(folder.path)/zones"
    try FileManager.default.createDirectory(
      atPath: "\(zones)/Europe", withIntermediateDirectories: true)
    let zone = "\(zones)/Europe/Berlin"
    try FileManager.default.copyItem(atPath: "/usr/share/zoneinfo/Europe/Berlin", toPath: zone)
    let (data, environment) = ("\(folder.path)/data", ["TZDIR": zones])
    var server = try await ServerProcess(data: data, environment: environment)
    let applied = try await server.rollout("plan", "apply", "-f", plan("{zone: Europe/Berlin}"))
    #expect(applied.status == 0, "\(applied)")
    let unknown = try await server.rollout("plan", "apply", "-f", plan("{zone: Europe/Paris}"))
    #expect(unknown.status != 0, "\(unknown)")
    _ = try await server.rollout("start", "ai-summary")
    #expect(server.terminate() == 0)
    try FileManager.default.removeItem(atPath: zone)
    server = try await ServerProcess(data: data, environment: environment)
    let show = try await server.rollout("plan", "show", "ai-summary")
    #expect(
      show.output.contains("✗ hours: this server knows no time zone Europe/Berlin"), "\(show)")
    let doctor = try await server.rollout("doctor")
    let words = doctor.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.contains("no time zone Europe/Berlin is known here"), "\(doctor)")
    // A person goes on, and decisions are made.
    let advanced = try await server.rollout("advance", "ai-summary", "--reason", "now")
    #expect(advanced.status == 0, "\(advanced)")
    #expect(server.terminate() == 0)
  }
}

import DocumentKit
import RolloutAPI
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Files of members as spreadsheets and databases write them: read right, or refused with what was
/// found.
@Suite struct CohortImportTests {
  private func read(
    _ text: String, _ form: MemberFile.Form = .table, column: String? = nil, header: Bool? = nil
  ) throws -> [String] {
    try MemberFile(Array(text.utf8), form, .init(column: column, hasHeader: header)).users
  }

  @Test(arguments: [
    // Plain lists, with every line end, with and without a header.
    "anna\nbob", "anna\r\nbob\r\n", "anna\rbob", "\u{FEFF}anna\nbob\n", "user\nanna\nbob",
    "\u{FEFF}user\nanna\nbob", "\n\nanna\n\nbob\n", "User ID\nanna\nbob", "\"anna\"\n\"bob\"",
    // Tables, with each separator and each name.
    "user,since\nanna,2020\nbob,2021", "since;user_id\n2020;anna\n2021;bob",
    "name\temail\nAnna A\tanna\nBob\tbob", "\u{FEFF}Name;E-Mail\n\"A; A\";anna\nB;bob",
    "id,note\nanna,\"two\nlines\"\nbob,\"a \"\"quoted\"\" word, and more\"",
    "email;user;id\na@x;anna;1\nb@x;bob;2", " userId , x\nanna , 1\n bob, 2",
    "\"note\",\"user\"\n\"1\r\n2\",\"anna\"\n\"\",\"bob\"",
  ])
  func `a table is read whatever its separator, header and line ends`(text: String) throws {
    #expect(try read(text) == ["anna", "bob"], "\(text.debugDescription)")
  }

  @Test(arguments: [
    #""anna"\#n"bob"\#n"#, #"{"user":"anna"}\#r\#n{"user":"bob","x":1}"#,
    #"{"user_id":"anna","email":"a@x"}\#n\#n{"user_id":"bob","email":"b@x"}"#,
    #"["anna","bob"]"#, #"[{"id":"anna"},{"id":"bob"}]"#, "\u{FEFF}\"anna\"\n\"bob\"",
    #"{"members":["anna","bob"],"next":null}"#,
  ])
  func `JSON is read by lines, as a list, and as it was listed`(text: String) throws {
    #expect(try read(text, .json) == ["anna", "bob"], "\(text.debugDescription)")
  }

  @Test func `an id of 64 bits is taken as written`() throws {
    #expect(try read("9007199254740993\n[1]", header: false).first == "9007199254740993")
    #expect(
      try read("{\"id\":9007199254740993}\n{\"id\":18446744073709551615}", .json)
        == ["9007199254740993", "18446744073709551615"])
  }

  @Test func `what may be meant otherwise is refused with what was found`() {
    for (text, words) in [
      ("name,plan\nAnna,pro\n", [#""name", "plan""#, "--column"]),
      ("anna,2020\nbob,2021\n", [#""anna", "2020""#, "--no-header"]),
      ("id,email\n1,a@x\n", [#""id", "email""#, "both"]),
      ("user,user_id\na,b\n", [#""user", "user_id""#, "both"]),
      ("Customer\nanna\nbob\n", [#""Customer""#, "--no-header"]),
      ("Kunde\n1001\n1002\n", [#""Kunde""#]), ("Adresse\na@x.org\n", [#""Adresse""#]),
      ("user,since\nanna\n", ["Line 2", "1 columns here, 2 in the first"]),
      ("user;name\nanna;A;B\n", ["Line 2", "3 columns here, 2"]),
      ("user,note\nanna,\"open\nbob,x\n", ["Line 2", "never closed"]),
      ("user,note\nanna,\"x\"y\n", ["Line 2", "closing quote"]),
      ("user\n\"an\nna\"\n", ["Line 2", "line break"]),
      ("user\n\(String(repeating: "u", count: 513))\n", ["Line 2", "longer"]),
      ("user|plan\nanna|pro\n", ["Line 1", "bars"]),
      ("# export\nuser\nanna", ["Line 1", "comment"]),
      ("- anna\n- bob\n", ["YAML list"]), ("u\0s\0e\0r\0", ["UTF-16"]),
    ] {
      let error = #expect(throws: MemberFile.Unreadable.self, "\(text)") { try read(text) }
      for word in words { #expect(error?.text.contains(word) == true, "\(error?.text ?? "")") }
    }
    for (text, word) in [
      (#"{"name":"anna"}"#, #""name""#), ("anna", "not JSON"), (#"{"user":["a"]}"#, "a list"),
      ("true", "a boolean"), (#"{"id":"1","email":"a@x"}"#, "both"),
    ] {
      let error = #expect(throws: MemberFile.Unreadable.self, "\(text)") { try read(text, .json) }
      #expect(error?.text.contains(word) == true, "\(error?.text ?? "")")
    }
    for bytes: [UInt8] in [[0xFF, 0xFE, 0x61, 0], [0x61, 0x0A, 0xE9, 0x0A]] {
      let error = #expect(throws: MemberFile.Unreadable.self) { try MemberFile(bytes, .table) }
      #expect(error?.text.contains("UTF-8") == true)
    }
  }

  @Test func `who says which column is believed`() throws {
    #expect(try read("name,plan\nAnna,pro\nBob,x", column: "Name") == ["Anna", "Bob"])
    #expect(try read("id,email\n1,a@x\n2,b@x", column: "email") == ["a@x", "b@x"])
    #expect(try read("anna,2020\nbob,2021", header: false) == ["anna", "bob"])
    // What looks like another form, and identity providers' ids.
    #expect(try read("# anna\n- bob", header: false) == ["# anna", "- bob"])
    #expect(try read("auth0|5f7c\ngoogle-oauth2|1") == ["auth0|5f7c", "google-oauth2|1"])
    #expect(try read("user\n\u{A0}anna\u{200B}\nbob \n") == ["anna", "bob"])
    #expect(try read("2020,anna\n2021,bob", column: "2", header: false) == ["anna", "bob"])
    #expect(try read("Customer\nanna", header: false) == ["Customer", "anna"])
    #expect(try read("Customer\nanna", header: true) == ["anna"])
    #expect(throws: MemberFile.Unreadable.self) { try read("a,b\n1,2", column: "c") }
    #expect(throws: MemberFile.Unreadable.self) { try read("a,b\n1,2", column: "3", header: false) }
  }

  // MARK: Through the server

  private func post(
    _ server: TestServer, _ body: String, _ query: String = "", type: String = "text/csv",
    cohort: String = "internal"
  ) async throws -> TestServer.Answer {
    try await server.send(
      "POST", "/v1/cohorts/\(cohort)/members\(query)", body, headers: [("Content-Type", type)])
  }

  private func members(_ server: TestServer, _ cohort: String = "internal") async throws -> [String]
  {
    let answer = try await server.send("GET", "/v1/cohorts/\(cohort)?limit=1000")
    return answer.json["members"]?.array?.compactMap(\.string) ?? []
  }

  @Test func `an import says how many were new, and changes all or nothing`() async throws {
    let server = try await TestServer()
    try await server.startPlan("f", #","stages":[{"name":"s","cohort":"internal"}]"#)
    let first = try await post(server, "user_id;name\nanna;A\nbob;B\nanna;A\n;nobody\n")
    #expect(first.status == 200, "\(first.text)")
    #expect(
      first.text == #"{"added":2,"already_members":0,"duplicates":1,"empty":1,"members":2}"#)
    let second = try await post(server, "[\"bob\",\"carl\"]", type: "application/json")
    #expect(
      second.text == #"{"added":1,"already_members":1,"duplicates":0,"empty":0,"members":3}"#)
    let bad = try await post(server, "user,x\ndora,1\neve\n")
    #expect(bad.status == 400)
    #expect(bad.json["detail"]?.string?.hasPrefix("Line 3: ") == true)
    #expect(try await members(server) == ["anna", "bob", "carl"])
    for (query, status) in [
      ("?column=name", 200), ("?header=maybe", 400), ("?portion=1", 400),
      ("?import=a&portion=3&of=2", 400), ("?import=a&portion=1&of=5000", 400), ("?colum=x", 400),
    ] {
      #expect(try await post(server, "name,x\nanna,1\n", query).status == status, "\(query)")
    }
    await server.stop()
  }

  @Test func `a cohort that nobody knows is made only on purpose`() async throws {
    let server = try await TestServer()
    try await server.startPlan("f", #","stages":[{"name":"s","cohort":"internal"}]"#)
    let unknown = try await post(server, "user\nanna\n", cohort: "internl")
    #expect(unknown.status == 404)
    #expect(unknown.json["detail"]?.string?.contains("Did you mean internal?") == true)
    #expect(unknown.json["detail"]?.string?.contains("--create") == true)
    #expect(try await members(server, "internl").isEmpty)
    #expect(try await post(server, "user\nanna\n", "?create=true", cohort: "friends").status == 200)
    // From then on it is known.
    #expect(try await post(server, "user\nbob\n", cohort: "friends").status == 200)
    #expect(try await members(server, "friends") == ["anna", "bob"])
    await server.stop()
  }

  @Test func `portions change nothing before the last, and a lost one nothing at all`() async throws
  {
    let server = try await TestServer()
    try await server.startPlan("f", #","stages":[{"name":"s","cohort":"internal"}]"#)
    let waits = try await post(server, "user\nanna\nbob\n", "?import=i&portion=1&of=3")
    #expect(waits.status == 202)
    #expect(waits.json["portion"]?.int == 1)
    #expect(try await post(server, "user\ncarl\nanna\n", "?import=i&portion=3&of=3").status == 202)
    // Another import is another's, and a portion that comes again replaces itself.
    #expect(try await post(server, "user\nzoe\n", "?import=j&portion=2&of=3").status == 202)
    #expect(try await post(server, "user\nanna\n", "?import=i&portion=1&of=3").status == 202)
    #expect(try await post(server, "user\nanna\n", "?import=i&portion=1&of=4").status == 400)
    #expect(try await members(server).isEmpty)
    let done = try await post(server, "user\ndora\n", "?import=i&portion=2&of=3")
    #expect(done.status == 200)
    #expect(done.json["added"]?.int == 3)
    #expect(try await members(server) == ["anna", "carl", "dora"])
    // j was never finished: after a while its portions are gone.
    server.clock.advance(.minutes(11))
    #expect(try await post(server, "user\ny\n", "?import=j&portion=1&of=3").status == 202)
    #expect(try await post(server, "user\nx\n", "?import=j&portion=3&of=3").status == 202)
    #expect(try await members(server) == ["anna", "carl", "dora"])
    await server.stop()
  }

  @Test func `imports that wait take a bounded room, of which one token gets half`() throws {
    let imports = MemberImports(memory: 0)
    let users = (0..<100_000).map { "user-\($0)-\(String(repeating: "x", count: 200))" }
    func take(_ token: String, _ id: String) throws(Problem) -> Bool? {
      let key = MemberImports.Key(token: token, cohort: "c", id: id)
      return switch try imports.take(users, key, portion: 1, of: 2, now: Instant(milliseconds: 0)) {
      case .waitsForMore: true
      case .busy: false
      case .whole: nil
      }
    }
    #expect(try take("a", "1") == true)
    // A portion that comes again takes no more; another import of the same token would.
    #expect(try take("a", "1") == true)
    let error = try #require(throws: Problem.self) { _ = try take("a", "2") }
    #expect(error.code == ProblemCode.tooMany.rawValue)
    #expect(try take("b", "1") == true)
    #expect(try take("c", "1") == false)
  }

  @Test func `a single member makes no cohort that nobody knows, unless asked to`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let wrong = try await server.send("PUT", "/v1/cohorts/internl/members/anna")
    #expect(wrong.status == 404)
    #expect(wrong.json["detail"]?.string?.contains("Did you mean internal?") == true)
    #expect(try await server.send("PUT", "/v1/cohorts/internal/members/anna").status == 204)
    #expect(try await server.send("PUT", "/v1/cohorts/new/members/a?create=false").status == 404)
    #expect(try await server.send("PUT", "/v1/cohorts/new/members/a?create=true").status == 204)
    #expect(try await server.send("PUT", "/v1/cohorts/new/members/b").status == 204)
    #expect(try await server.send("PUT", "/v1/cohorts/new/members/c?crate=1").status == 400)
    await server.stop()
  }
}

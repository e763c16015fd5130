import DocumentKit
import HTTPServerKit
import Testing

@testable import RolloutServer

@Suite struct OpenAPITests {
  @Test func `the served document lists exactly the routes there are`() async throws {
    let server = try await TestServer()
    let answer = try await server.send("GET", "/openapi.json", token: "")
    #expect(answer.status == 200)
    let paths = try #require(answer.json["paths"]?.members)
    let documented = Set(
      paths.flatMap { path in
        (path.value.members ?? []).map { "\($0.key.uppercased()) \(path.key)" }
      })
    let routes = Set(
      server.application.surface.routes.map { "\($0.method.rawValue) \($0.pattern)" })
    #expect(routes.subtracting(documented).isEmpty, "undocumented routes")
    #expect(documented.subtracting(routes).isEmpty, "documented, but not there")
    await server.stop()
  }
}

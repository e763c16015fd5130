/// The paths of the API, shared by the routes and the CLI.
package enum APIPath {
  package static let plans = "/v1/plans"
  package static let tokens = "/v1/tokens"
  package static let alerts = "/v1/alerts"

  package static func plan(_ feature: String) -> String { "\(plans)/\(segment(feature))" }
  package static func events(_ feature: String) -> String { plan(feature) + "/events" }
  package static func health(_ feature: String) -> String { plan(feature) + "/health" }
  package static func backtest(_ feature: String) -> String { plan(feature) + "/backtest" }
  package static func series(_ feature: String) -> String { plan(feature) + "/series" }
  package static func failures(_ feature: String) -> String { plan(feature) + "/failures" }
  package static func preview(_ feature: String) -> String { plan(feature) + "/preview" }
  package static func command(_ feature: String, _ name: String) -> String {
    "\(plan(feature))/\(segment(name))"
  }
  package static func decision(_ feature: String) -> String {
    "/v1/features/\(segment(feature))/decision"
  }
  package static func cohort(_ name: String) -> String { "/v1/cohorts/\(segment(name))" }
  package static func members(_ cohort: String) -> String { self.cohort(cohort) + "/members" }
  package static func member(_ cohort: String, _ user: String) -> String {
    "\(members(cohort))/\(segment(user))"
  }
  package static func token(_ id: String) -> String { "\(tokens)/\(segment(id))" }

  /// Percent-encodes everything but RFC 3986 unreserved characters.
  package static func segment(_ text: String) -> String {
    var out = ""
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
        out.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let hex = String(byte, radix: 16, uppercase: true)
        out += byte < 16 ? "%0\(hex)" : "%\(hex)"
      }
    }
    return out
  }

  /// `?a=1&b=2`, names and values encoded; empty without items.
  package static func query(_ items: [(name: String, value: String)]) -> String {
    guard !items.isEmpty else { return "" }
    return "?" + items.map { "\(segment($0.name))=\(segment($0.value))" }.joined(separator: "&")
  }
}

import DocumentKit

/// Who changes something.
package enum Actor: Sendable, Equatable {
  case token(String)
  case monitor
  case alert(String)
  case anonymous
  /// The program itself, or who works on its machine: its first start, SIGHUP.
  case server
  /// As it is stored, and this edition does not know: no person.
  case unknown(String)

  /// `token:anna`, `monitor`, `alert:HighErrorRate`, `anonymous`, `server`.
  package var text: String {
    switch self {
    case .token(let name): "token:\(name)"
    case .monitor: "monitor"
    case .alert(let name): "alert:\(name)"
    case .anonymous: "anonymous"
    case .server: "server"
    case .unknown(let text): text
    }
  }

  /// The token's name, for people with one.
  package var tokenName: String? {
    guard case .token(let name) = self else { return nil }
    return name
  }

  package init(text: String) {
    if text == "monitor" {
      self = .monitor
    } else if text.hasPrefix("token:") {
      self = .token(String(text.dropFirst(6)))
    } else if text.hasPrefix("alert:") {
      self = .alert(String(text.dropFirst(6)))
    } else {
      self = text == "anonymous" ? .anonymous : text == "server" ? .server : .unknown(text)
    }
  }

  /// Automation and alerts may only reduce exposure.
  package var isPerson: Bool {
    switch self {
    case .token, .anonymous: true
    case .monitor, .alert, .server, .unknown: false
    }
  }
}

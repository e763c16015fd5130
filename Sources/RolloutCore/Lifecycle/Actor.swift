import DocumentKit

/// Who changes a plan.
package enum Actor: Sendable, Equatable {
  case token(String)
  case monitor
  case alert(String)
  case anonymous
  /// As it is stored, and this edition does not know: no person.
  case unknown(String)

  /// `token:anna`, `monitor`, `alert:HighErrorRate`, `anonymous`.
  package var text: String {
    switch self {
    case .token(let name): "token:\(name)"
    case .monitor: "monitor"
    case .alert(let name): "alert:\(name)"
    case .anonymous: "anonymous"
    case .unknown(let text): text
    }
  }

  package init(text: String) {
    if text == "monitor" {
      self = .monitor
    } else if text.hasPrefix("token:") {
      self = .token(String(text.dropFirst(6)))
    } else if text.hasPrefix("alert:") {
      self = .alert(String(text.dropFirst(6)))
    } else {
      self = text == "anonymous" ? .anonymous : .unknown(text)
    }
  }

  /// Automation and alerts may only reduce exposure.
  package var isPerson: Bool {
    switch self {
    case .token, .anonymous: true
    case .monitor, .alert, .unknown: false
    }
  }
}

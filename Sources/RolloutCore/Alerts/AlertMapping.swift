package import DocumentKit

/// Where the alerts of a payload of somebody else's form say what we ask of them.
package struct AlertMapping: Sendable, Equatable {
  /// The list of alerts of one payload; nil where it is one alert itself.
  package var each: DocumentPath?
  /// What names one alert, and is the same for its repeats: all that these lead to, together.
  package var id: [DocumentPath] = []
  /// Of the others the first that leads to something counts.
  package var name: [DocumentPath] = []
  package var feature: [DocumentPath] = []
  package var action: [DocumentPath] = []
  package var status: [DocumentPath] = []
  package var reason: [DocumentPath] = []
  package var at: [DocumentPath] = []
  /// Words of the status that mean an alert fires, in lower case; empty for all but `resolved`.
  package var firing: Set<String> = []
  package var resolved: Set<String> = []

  package init() {}

  /// What an alert says, as far as it does.
  package struct Saying: Sendable, Equatable {
    package enum State: Sendable {
      case firing, resolved
      /// Something else happened to it: somebody took a look, or a note was added.
      case other
    }

    package var id: String?
    package var name: String?
    package var feature: String?
    package var action: String?
    package var state: State
    package var reason: String?
    package var at: Instant?
  }

  /// The alerts of a payload; nil where the list that holds them is not there.
  package func alerts(in payload: Document) -> [Document]? {
    guard let each else { return [payload] }
    return each.find(in: payload)?.array
  }

  package func read(_ alert: Document) -> Saying {
    func first(_ paths: [DocumentPath]) -> String? {
      paths.lazy.compactMap { $0.text(in: alert) }.first
    }
    let parts = id.compactMap { $0.text(in: alert) }
    return Saying(
      id: parts.isEmpty ? nil : parts.joined(separator: ":"), name: first(name),
      feature: first(feature), action: first(action), state: state(first(status)),
      reason: first(reason), at: first(at).flatMap(Self.instant))
  }

  /// What says nothing of its state fires: the worst that comes of it is that fewer have a feature.
  private func state(_ word: String?) -> Saying.State {
    guard let word = word?.lowercased() else { return .firing }
    if resolved.contains(word) { return .resolved }
    return firing.isEmpty || firing.contains(word) ? .firing : .other
  }

  /// RFC 3339, or a count since 1970 of seconds, or of thousandths, millionths or billionths of
  /// them, by its size.
  private static func instant(_ text: String) -> Instant? {
    if let at = Instant(rfc3339: text) { return at }
    guard let count = Int64(text), count > 0 else { return nil }
    return switch count {
    case ..<100_000_000_000: Instant(milliseconds: count * 1000)
    case ..<100_000_000_000_000: Instant(milliseconds: count)
    case ..<100_000_000_000_000_000: Instant(milliseconds: count / 1000)
    default: Instant(milliseconds: count / 1_000_000)
    }
  }
}

package import DocumentKit

/// Something about a flag that its plan does not say, or says otherwise, and where it stands.
package struct Remark: Sendable, Equatable {
  /// What it does to those who have the feature.
  package enum Effect: String, Sendable {
    /// Somebody who has the feature there does not get it here, or could not be told apart.
    case people
    /// The same people, and something else is left behind or looks different.
    case other
  }

  package var effect: Effect
  /// Such as `features[0].strategies[1]`.
  package var path: String
  package var position: Position
  package var text: String

  package init(_ effect: Effect, _ text: String, _ path: String, _ position: Position) {
    self.effect = effect
    self.path = path
    self.position = position
    self.text = text
  }
}

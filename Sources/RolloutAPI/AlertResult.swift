import DocumentKit
import RolloutCore

/// What became of one alert.
package struct AlertResult: Codable, Sendable, Equatable {
  package var id: String
  package var feature: String
  package var action: String
  package var acted: Bool
  package var why: String?
  /// False when it acted and could not be written yet; absent otherwise.
  package var durable: Bool?
  /// How many alerts of the payload this is said of; absent for one.
  package var count: Int?

  package init(
    id: String, feature: String, action: String, acted: Bool, why: String?, durable: Bool? = nil,
    count: Int? = nil
  ) {
    self.count = count
    self.id = id
    self.feature = feature
    self.action = action
    self.acted = acted
    self.why = why
    self.durable = durable
  }
}

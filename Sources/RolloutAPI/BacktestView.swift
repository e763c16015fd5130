package import DocumentKit

/// What recorded outcomes would have done to other guards.
package struct BacktestView: Codable, Sendable {
  /// One time a guard would have acted.
  package struct Alarm: Codable, Sendable {
    package var at: String
    package var `guard`: String
    package var sentence: String
    package var requests: Int
    package var falseAlarm: Bool
    package var usersSpared: Int

    init(
      at: String, guard: String, sentence: String, requests: Int, falseAlarm: Bool,
      usersSpared: Int
    ) {
      self.at = at
      self.guard = `guard`
      self.sentence = sentence
      self.requests = requests
      self.falseAlarm = falseAlarm
      self.usersSpared = usersSpared
    }
  }

  /// A step back that really happened.
  package struct Actual: Codable, Sendable {
    package var at: String
    package var actor: String
    package var reason: String
  }

  package var feature: String
  package var stage: String
  /// Of the treatment; what was replayed.
  package var outcomes: Int
  package var from: Nullable<String>
  package var to: Nullable<String>
  package var alarms: [Alarm]
  package var falseAlarms: Int
  package var usersSpared: Int
  package var actual: [Actual]
  /// Metrics whose source is not recorded: votes, Prometheus, comparisons with another stage.
  package var notReplayed: [String]

  init(
    feature: String, stage: String, outcomes: Int, from: String?, to: String?, alarms: [Alarm],
    falseAlarms: Int, usersSpared: Int, actual: [Actual], notReplayed: [String]
  ) {
    self.feature = feature
    self.stage = stage
    self.outcomes = outcomes
    self.from = Nullable(from)
    self.to = Nullable(to)
    self.alarms = alarms
    self.falseAlarms = falseAlarms
    self.usersSpared = usersSpared
    self.actual = actual
    self.notReplayed = notReplayed
  }
}

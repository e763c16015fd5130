package import DocumentKit
import RolloutCore

/// The body of a plan command.
package struct CommandBody: Codable, Sendable {
  package var reason: String?
  package var to: String?
  package var force: Bool?
  /// The plan file that is approved, with `approve`.
  package var definition: Document?
  /// The feature's name, where it is in use.
  package var confirm: String?

  package init(
    reason: String?, to: String? = nil, force: Bool? = nil, definition: Document? = nil,
    confirm: String? = nil
  ) {
    self.reason = reason
    self.to = to
    self.force = force
    self.definition = definition
    self.confirm = confirm
  }
}

/// A list with the cursor of its continuation.
package struct PlanList: Codable, Sendable {
  package var plans: [PlanView]
  package var next: Nullable<String>

  package init(plans: [PlanView], next: String?) {
    self.plans = plans
    self.next = Nullable(next)
  }
}

package struct EventList: Codable, Sendable {
  package var events: [EventView]
  package var next: Nullable<String>

  package init(events: [EventView], next: String?) {
    self.events = events
    self.next = Nullable(next)
  }
}

package struct MemberList: Codable, Sendable {
  package var members: [String]
  package var next: Nullable<String>
  /// False while somebody has left who is still on disk; nil otherwise.
  package var durable: Bool?

  package init(members: [String], next: String?, durable: Bool? = nil) {
    self.members = members
    self.next = Nullable(next)
    self.durable = durable
  }
}

/// What became of a list of members.
package struct AddedMembers: Codable, Sendable {
  /// Who was not in before.
  package var added: Int
  package var alreadyMembers: Int
  /// Ids that stood more than once in this call.
  package var duplicates: Int
  /// Lines without an id in this call.
  package var empty: Int
  /// How many are in now.
  package var members: Int

  package init(added: Int, alreadyMembers: Int, duplicates: Int, empty: Int, members: Int) {
    self.added = added
    self.alreadyMembers = alreadyMembers
    self.duplicates = duplicates
    self.empty = empty
    self.members = members
  }
}

package struct CohortList: Codable, Sendable {
  package struct Entry: Codable, Sendable {
    package var name: String
    package var members: Int

    package init(name: String, members: Int) {
      self.name = name
      self.members = members
    }
  }
  package var cohorts: [Entry]
  package var next = Nullable<String>(nil)

  package init(cohorts: [Entry]) { self.cohorts = cohorts }
}

package struct TokenList: Codable, Sendable {
  package var tokens: [TokenView]
  package var next = Nullable<String>(nil)

  package init(tokens: [TokenView]) { self.tokens = tokens }
}

package struct TokenRequest: Codable, Sendable {
  package var name: String
  package var scopes: [String]
  package var expiresIn: String?
  package var features: [String]?
  package var reason: String?

  package init(
    name: String, scopes: [String], expiresIn: String?, features: [String]?, reason: String?
  ) {
    self.reason = reason
    self.name = name
    self.scopes = scopes
    self.expiresIn = expiresIn
    self.features = features
  }
}

package struct AlertResults: Codable, Sendable {
  package var results: [AlertResult]

  package init(results: [AlertResult]) { self.results = results }
}

/// `accepted` outcomes, and which were not and why.
package struct OutcomeAnswer: Codable, Sendable {
  package struct Rejection: Codable, Sendable {
    package var index: Int
    package var error: String

    package init(index: Int, error: String) {
      self.index = index
      self.error = error
    }
  }
  package var accepted = 0
  package var rejected: [Rejection] = []
  /// Figures that made no sense and were dropped; the rest of the outcome counts.
  package var warnings: [Rejection]?
  /// Accepted outcomes that belong to no arm, and what to send so that they do.
  package var unattributed: Int?
  package var hint: String?

  package init() {}
}

/// The body of `POST /v1/budgets/accept`.
package struct BudgetAcceptMessage: Codable, Sendable {
  /// nil is all of them.
  package var name: String?
  package var reason: String

  package init(name: String?, reason: String) {
    self.name = name
    self.reason = reason
  }
}

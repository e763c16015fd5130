/// One rule of a flag; the first whose condition holds decides.
package struct FlagRule: Sendable {
  package enum Outcome: Sendable, Equatable {
    case on, off
    case drawn(Draw)
    /// What the flag gives then no plan can say; a remark tells why.
    case unknown
  }

  package var condition: Condition
  package var outcome: Outcome
  /// Whether whom a draw leaves out is looked at by the rules behind it; otherwise they are off.
  package var isOpenEnded = false

  package init(_ condition: Condition, _ outcome: Outcome, isOpenEnded: Bool = false) {
    self.condition = condition
    self.outcome = outcome
    self.isOpenEnded = isOpenEnded
  }
}

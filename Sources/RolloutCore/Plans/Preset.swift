import RolloutEvaluation

/// How quickly guards act: a bundle of detector settings (see `docs/ROLLBACK.md`).
package enum Preset: String, Sendable, CaseIterable {
  case sensitive
  case normal
  case calm

  /// Score at which the evidence trigger fires; at most n/A false alarms in n requests.
  package var firingScore: Double {
    switch self {
    case .sensitive: 1e4
    case .normal: 1e6
    case .calm: 1e8
    }
  }

  /// Standard errors above the limit at which the threshold trigger fires.
  package var margin: Double {
    switch self {
    case .sensitive: 2
    case .normal: 3
    case .calm: 4
    }
  }

  /// Fresh evidence is asked for from half of this on; a recovery lasts as long, and 10 s at least.
  package var sustain: TimeSpan {
    switch self {
    case .sensitive: .zero
    case .normal: .seconds(10)
    case .calm: .seconds(20)
    }
  }

  package var minAffectedUsers: Int {
    switch self {
    case .sensitive: 2
    case .normal: 3
    case .calm: 5
    }
  }
}

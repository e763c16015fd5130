import DocumentKit
package import RolloutEvaluation

extension Share {
  /// Why a bare number above 0 and below 1 is not taken for a share: `0.25` may be a quarter of all
  /// or of a hundredth. nil for every other text.
  package static func doubt(about text: String) -> String? {
    guard !text.contains("%"), let share = Share(text), share > .none, share < .percent(1) else {
      return nil
    }
    let whole = Share(thousandths: share.thousandths * 100)
    return "\(quoted(text)) may mean \(share.compact) or \(whole.compact); write which."
  }
}

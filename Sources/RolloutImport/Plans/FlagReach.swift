import RolloutCore
import RolloutEvaluation

/// Who has a flag, in the parts that a plan is made of.
struct FlagReach {
  /// In the first stage for what they are.
  private(set) var rules: [Rule] = []
  /// nil for everybody.
  private(set) var eligible: [Rule]?
  private(set) var forceOn: [String] = []
  private(set) var forceOff: [String] = []
  private(set) var draw: Draw?
  private(set) var includesAll = false

  /// Why there is no plan with these people.
  struct Refusal: Error { var why: String }

  var isNobody: Bool { rules.isEmpty && forceOn.isEmpty && draw == nil && !includesAll }

  /// Takes the rules of `flag` apart and notes in it what is lost. Throws `Refusal`.
  init(_ flag: inout ForeignFlag) throws(Refusal) {
    var full: [Condition] = []
    var drawn: [Condition] = []
    // Who is decided on already, and must not be by a later rule.
    var decided: [Condition] = []
    // Whether only lists of users came before, and whom those let in.
    var isListsOnly = true
    var listedBefore: Set<String> = []
    for rule in flag.rules {
      let reached: Condition =
        decided.isEmpty ? rule.condition : .all([rule.condition] + decided.map { .not($0) })
      switch rule.outcome {
      case .on:
        full.append(reached)
        if case .users(let users) = rule.condition { listedBefore.formUnion(users) }
      case .drawn(let draw) where draw.share == .all: full.append(reached)
      case .drawn(let draw):
        if draw.share > .none {
          try take(draw)
          drawn.append(reached)
        }
        if !rule.isOpenEnded { decided.append(rule.condition) }
      case .off:
        if isListsOnly, case .users(let users) = rule.condition {
          forceOff += users.filter { !listedBefore.contains($0) }
          continue
        }
        decided.append(rule.condition)
      case .unknown: decided.append(rule.condition)
      }
      if case .users = rule.condition {} else { isListsOnly = false }
      if rule.condition == .always, !rule.isOpenEnded { break }
    }
    let whole = try terms(full, &flag)
    let shares = try terms(drawn, &flag)
    settle(whole, shares, &flag)
  }

  /// A plan has one share, drawn in one way.
  private mutating func take(_ new: Draw) throws(Refusal) {
    guard let draw, draw != new else {
      draw = new
      return
    }
    guard draw.bucketing == new.bucketing, draw.salt == new.salt else {
      throw Refusal(
        why: "its shares are drawn in two ways (by \(quotedSalt(draw)) and by \(quotedSalt(new))), "
          + "and a plan draws in one")
    }
    throw Refusal(
      why: "it has two shares, \(draw.share.text) and \(new.share.text), for different people; a "
        + "plan has one at a time")
  }

  private func quotedSalt(_ draw: Draw) -> String {
    "\(draw.bucketing.rawValue) with salt \"\(draw.salt)\""
  }

  private func terms(
    _ conditions: [Condition], _ flag: inout ForeignFlag
  ) throws(Refusal) -> [Term] {
    do throws(Alternatives.TooMany) {
      let found = try Alternatives(.any(conditions))
      for text in found.untold { flag.lose(.people, text, flag.path, nil) }
      return found.terms
    } catch {
      throw Refusal(
        why: "who has it takes more than \(Alternatives.termsMax) rules to say; put them into a "
          + "cohort")
    }
  }

  private mutating func settle(_ whole: [Term], _ shares: [Term], _ flag: inout ForeignFlag) {
    var seen: Set<String> = []
    forceOff = forceOff.filter { seen.insert($0).inserted }
    for term in whole where term.isList {
      let except = Set(term.exceptUsers)
      forceOn += (term.users ?? []).filter { !except.contains($0) && seen.insert($0).inserted }
    }
    includesAll = whole.contains(where: \.isAlways)
    if includesAll { draw = nil }
    rules = told(whole.filter { !$0.isList && !$0.isAlways }, &flag)
    guard !includesAll else {
      rules = []
      return
    }
    guard draw != nil else { return }
    if shares.isEmpty { draw = nil }
    guard !shares.contains(where: \.isAlways), draw != nil else { return }
    let population = told(shares, &flag)
    if population.isEmpty { draw = nil } else { eligible = population + rules }
  }

  /// The rules that say what terms do; those about a user's id and something else are lost.
  private func told(_ terms: [Term], _ flag: inout ForeignFlag) -> [Rule] {
    var rules: [Rule] = []
    for term in terms {
      guard term.users == nil, term.exceptUsers.isEmpty else {
        flag.lose(
          .people, "rules that look at the user's id and at something else have no counterpart",
          flag.path, nil)
        continue
      }
      if !rules.contains(term.rule) { rules.append(term.rule) }
    }
    return rules
  }
}

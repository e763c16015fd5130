/// How many users an app has, and how many of them are known by name.
package struct Crowd: Sendable, Equatable {
  package let users: Estimate
  /// For people, where the number is from.
  package let sentence: String

  /// From fewer nobody can tell how many there are.
  private static let seenMin = 20
  /// Of `UserSketch`.
  private static let sketchError = 0.046

  /// As somebody says.
  package init(given count: Int) {
    users = Estimate(value: Double(count), low: Double(count), high: Double(count))
    sentence = "as was said"
  }

  /// From those who were seen with the feature, `share` of all by percentage, and at most `named`
  /// of them for another reason. Throws why it cannot be told.
  package init(seen: Int, share: Double, named: Int, over span: TimeSpan) throws(Unknown) {
    guard share > 0 else {
      throw Unknown(
        why: "the present stage has no percentage, so those seen at it say nothing of all users")
    }
    guard seen - named >= Self.seenMin else {
      throw Unknown(
        why: "\(seen) users were seen with the feature in the last \(span.words), "
          + "\(named) of them perhaps by name; from \(Self.seenMin) on it can be told")
    }
    let drawn = Double(seen) - Double(named) / 2
    let spread = (Self.sketchError * Self.sketchError + (1 - share) / drawn).squareRoot()
    let all = Estimate(drawn / share, relativeError: spread)
    users = Estimate(
      value: all.value, low: all.low * Double(seen - named) / drawn,
      high: all.high * Double(seen) / drawn)
    sentence =
      "from about \(seen) users seen with it in the last \(span.words), who are "
      + "\(percent(share)) of all"
  }

  /// Why it cannot be told how many users there are.
  package struct Unknown: Error, Equatable {
    package let why: String

    package init(why: String) { self.why = why }
  }

  /// How many of them a share has: those by name, and of the others as many as their hashes give.
  package func holding(_ share: Double, named: Int, ofNamed all: Int) -> Estimate {
    func drawn(_ count: Double) -> Estimate {
      .binomial(Int(max(0, (count - Double(all)).rounded())), chance: share)
    }
    let name = Double(named)
    return Estimate(
      value: drawn(users.value).value + name, low: drawn(users.low).low + name,
      high: drawn(users.high).high + name)
  }
}
